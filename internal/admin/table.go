package admin

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// printAccounts prints a table with a line for each account, or for each of its models where it has several.
func printAccounts(out io.Writer, s *rotator.PoolSnapshot) error {
	if len(s.Accounts) == 0 {
		_, err := fmt.Fprintln(out, "No accounts: there is no gemini_proxy in the configuration of this Caddy.")
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row(table, "LABEL", "BACKEND", "GROUP", "STATE", "REASON", "REQUESTS", "ERRORS", "MODEL", "STATE", "RPM", "RPD", "TPM")
	for i := range s.Accounts {
		printAccount(table, &s.Accounts[i])
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, m := range s.Models {
		if m.State != rotator.StateReady {
			fmt.Fprintf(out, "\n%s is %s until %s", printable(m.Model), printable(m.State), m.Until.Format(time.RFC3339))
		}
	}
	for _, note := range s.Notes {
		fmt.Fprintf(out, "\n%s", printable(note))
	}
	_, err := fmt.Fprintf(out, "\nAccounts: %d ready, %d cooling, %d disabled. Requests in flight: %d, waiting: %d\n",
		s.Pool.Ready, s.Pool.Cooling, s.Pool.Disabled, s.Pool.InFlight, s.Pool.Queued)
	return err
}

func printAccount(table io.Writer, a *rotator.AccountSnapshot) {
	cells := []string{
		strings.Join(append([]string{a.Label}, a.Aliases...), ", "), a.Backend, a.QuotaGroup, a.State, a.Reason,
		strconv.FormatInt(a.Requests, 10), strconv.FormatInt(a.Errors, 10),
	}
	if len(a.Models) == 0 {
		row(table, append(cells, "", "", "", "", "")...)
	}
	for i := range a.Models {
		m := &a.Models[i]
		state := m.State
		if m.State != rotator.StateReady {
			state = m.Reason + " until " + m.Until.Format(time.RFC3339)
		}
		row(table, append(cells, m.Model, state, used(m.RPM), used(m.RPD), used(m.TPM))...)
		cells = make([]string, len(cells)) // said already
		for i := range cells {
			cells[i] = " "
		}
	}
}

// row prints the cells of one line. What says nothing is a dash, so that columns can be told apart by programs too.
func row(table io.Writer, cells ...string) {
	for i, cell := range cells {
		cells[i] = printable(cmp.Or(cell, "-"))
	}
	fmt.Fprintln(table, strings.TrimRight(strings.Join(cells, "\t"), " ")) // a tabwriter keeps errors for Flush
}

// used is how much of a quota was used.
func used(u rotator.Usage) string {
	if u.Limit == 0 {
		return strconv.FormatInt(u.Used, 10)
	}
	return fmt.Sprintf("%d/%d", u.Used, u.Limit)
}

// printChanged prints what state accounts are in, a line each.
func printChanged(out io.Writer, accounts []rotator.AccountSnapshot) error {
	for i := range accounts {
		a := &accounts[i]
		line := printable(a.Label) + " is " + printable(a.State)
		if a.Reason != "" && a.Reason != rotator.ByOperator {
			line += ": " + printable(a.Reason)
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}

// printable keeps text from a configuration, or from Google, from breaking lines or moving the terminal's cursor.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}
