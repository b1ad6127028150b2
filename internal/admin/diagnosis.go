package admin

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/guests"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// Report is what the doctor found.
type Report struct {
	Credentials []Diagnosis `json:"credentials"`
	// Errors are about handlers whose credentials could not be loaded.
	Errors []string `json:"errors,omitempty"`
	// Notes are about several credentials together.
	Notes []string `json:"notes,omitempty"`
}

// Diagnosis is what one credential is good for. It holds no secret, but may name projects and pages of Google's console.
type Diagnosis struct {
	Label      string   `json:"label"`
	Aliases    []string `json:"aliases,omitempty"` // what other handlers call it
	Backend    string   `json:"backend"`
	QuotaGroup string   `json:"quota_group"`
	Project    string   `json:"project,omitempty"`
	Model      string   `json:"model"` // that was asked about
	State      string   `json:"state"`
	Words      string   `json:"words"`
	// Reason is Google's word for what is wrong, or ours where it has none; Message its sentence.
	Reason  string    `json:"reason,omitempty"`
	Message string    `json:"message,omitempty"`
	Until   time.Time `json:"until,omitzero"` // when it will be good again, where Google says
	Left    []Left    `json:"left,omitempty"` // of its quotas, where Google says

	consumer string // the project as Google calls it
}

// Left is what is left of a quota of requests.
type Left struct {
	Model    string    `json:"model"`
	Percent  int       `json:"percent"`
	ResetsAt time.Time `json:"resets_at,omitzero"`
}

// The states of a Diagnosis.
const (
	stateGood    = "good"
	stateLater   = "later"
	stateBad     = "bad"
	stateUnknown = "unknown"
)

// prognoses are what each kind of fault means for a credential. Kinds that are missing say nothing about it.
var prognoses = map[rotator.FaultKind]struct{ state, words string }{
	rotator.FaultDead:          {stateBad, "Google refuses it for good"},
	rotator.FaultClientDead:    {stateBad, "Google refuses its OAuth client, and so every credential of that client"},
	rotator.FaultSetup:         {stateBad, "something around it has to be set right first"},
	rotator.FaultUnauthorized:  {stateBad, "Google does not accept the access token that it has just given out"},
	rotator.FaultNotEntitled:   {stateBad, "Google accepts it, but it does not have the model or a quota for it"},
	rotator.FaultRateShort:     {stateLater, "it works, but has had too many requests in a short time"},
	rotator.FaultQuotaLong:     {stateLater, "it works, but its quota is used up"},
	rotator.FaultModelCapacity: {stateLater, "it works, but the model is overloaded"},
	rotator.FaultCanceled:      {stateUnknown, "the examination was interrupted"},
}

// healthy notes what Google says of a credential that it accepts.
func (d *Diagnosis) healthy(f *google.Finding) {
	d.Project = f.Project
	d.State, d.Words = stateGood, "answers for "+d.Model
	if d.Backend != string(translate.CodeAssist) {
		return
	}
	d.Words = "Code Assist serves this account"
	for _, l := range f.Left {
		left := Left{Model: l.Model, Percent: int(math.Floor(l.Fraction * 100)), ResetsAt: l.Resets}
		if l.Model == d.Model && l.Fraction == 0 {
			d.State, d.Words, d.Until = stateLater, "it works, but its quota for "+l.Model+" is used up", l.Resets
		}
		d.Left = append(d.Left, left)
	}
}

// faulty notes what is wrong with a credential.
func (d *Diagnosis) faulty(f *rotator.Fault) {
	p, known := prognoses[f.Kind]
	if !known {
		p.state, p.words = stateUnknown, "there was no answer that says anything about it"
	}
	d.State, d.Words, d.Reason, d.consumer = p.state, p.words, f.Reason, f.Consumer
	if f.Kind != rotator.FaultCanceled { // which is worded for calls that clients asked for
		d.Message = cmp.Or(cause(f.Err), f.Message)
	}
	switch {
	case d.State != stateLater || f.PerDay: // a day's quota comes with delays that are not when it is back
	case !f.Until.IsZero():
		d.Until = f.Until
	case f.Delay > 0:
		d.Until = time.Now().Add(f.Delay)
	}
}

// cause is what kept an answer from coming. Other errors are not repeated: that of a proxy may hold its password.
func cause(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Error()
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return certificate.Error()
	}
	return ""
}

// good counts the credentials that can be used now.
func (r *Report) good() (n int) {
	for i := range r.Credentials {
		if r.Credentials[i].State == stateGood {
			n++
		}
	}
	return n
}

// notes are what is to be known about several credentials together.
func notes(found []Diagnosis) []string {
	var notes []string
	type project struct{ backend, name string }
	sharing := make(map[project][]*Diagnosis)
	var order []project
	var assisted []string
	for i := range found {
		d := &found[i]
		if d.Backend == string(translate.CodeAssist) {
			assisted = append(assisted, d.Label)
		}
		if d.consumer == "" {
			continue
		}
		p := project{d.Backend, d.consumer}
		if sharing[p] == nil {
			order = append(order, p)
		}
		sharing[p] = append(sharing[p], d)
	}
	for _, p := range order {
		if shared := sharing[p]; slices.ContainsFunc(shared, func(d *Diagnosis) bool { return d.QuotaGroup != shared[0].QuotaGroup }) {
			notes = append(notes, fmt.Sprintf("these %d credentials share one project (%s), so Google counts them as one: %s. Give them one quota_group",
				len(shared), p.name, labels(shared)))
		}
	}
	if len(assisted) > 0 {
		notes = append(notes, strings.Join(assisted, ", ")+": "+guests.CodeAssistTerms)
	}
	return notes
}

func labels(list []*Diagnosis) string {
	names := make([]string, len(list))
	for i, d := range list {
		names[i] = d.Label
	}
	return strings.Join(names, ", ")
}

// printReport prints a table with a line for each credential, and what is to be said besides.
func printReport(out io.Writer, r *Report) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(r.Credentials) > 0 {
		row(table, "LABEL", "BACKEND", "GROUP", "STATE", "WHAT GOOGLE SAYS")
	}
	for i := range r.Credentials {
		d := &r.Credentials[i]
		row(table, strings.Join(append([]string{d.Label}, d.Aliases...), ", "), d.Backend, d.QuotaGroup, d.State, d.sentence())
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, complaint := range r.Errors {
		fmt.Fprintln(out, "\nNot examined:", printable(complaint))
	}
	for _, note := range r.Notes {
		fmt.Fprintln(out, "\nNote:", printable(note))
	}
	_, err := fmt.Fprintf(out, "\nCredentials: %d, of which %d can be used now\n", len(r.Credentials), r.good())
	return err
}

// sentence is the diagnosis for people.
func (d *Diagnosis) sentence() string {
	words := d.Words
	if !d.Until.IsZero() {
		words += ", until " + d.Until.UTC().Format(time.RFC3339)
	}
	if len(d.Left) > 0 {
		left := make([]string, len(d.Left))
		for i, l := range d.Left {
			left[i] = fmt.Sprintf("%s %d %%", l.Model, l.Percent)
		}
		words += "; left: " + strings.Join(left, ", ")
	}
	if d.Message != "" {
		words += ": " + strings.Join(strings.Fields(d.Message), " ") // in one line
	}
	if d.Reason != "" {
		words += " (" + d.Reason + ")"
	}
	return words
}
