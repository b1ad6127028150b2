package admin

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/gateway"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

func explainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain <x-request-id> [--json] [--address <interface>] [--config <path> [--adapter <name>]]",
		Short: "Tells what became of a request to a running gateway",
		Long: `
Tells how one of the last thousand exchanges about a model went: which accounts were
considered and which were passed over and why, what came of each try, and how long the
request waited. The header x-request-id of every answer has the name to ask for. An
exchange is known when it has ended.

--json prints what GET ` + pathExplain + `<x-request-id> answers.
` + whichCaddy + `
	$ caddy gemini-proxy explain req_QX3M5ZKPBT2LJ7ESGH4NVW6DYA
`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().Bool("json", false, "Print JSON")
	return operating(cmd, func(fs caddycmd.Flags, out io.Writer) error {
		path := pathExplain + url.PathEscape(fs.Arg(0))
		answer, err := request(fs, http.MethodGet, path, nil)
		if err != nil {
			return err
		}
		if fs.Bool("json") {
			_, err = out.Write(answer)
			return err
		}
		var e gateway.Explanation
		if err := json.Unmarshal(answer, &e); err != nil {
			return fmt.Errorf("understanding the answer of %s: %w", path, err)
		}
		return printExplanation(out, &e)
	})
}

// printExplanation prints what is known of an exchange, and a table of what was tried.
func printExplanation(out io.Writer, e *gateway.Explanation) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, line := range []struct{ name, value string }{
		{"request", e.RequestID},
		{"began", e.Began.Format(time.RFC3339)},
		{"took", milliseconds(e.DurationMS)},
		{"first token after", nonzero(milliseconds(e.FirstTokenMS))},
		{"waited in line", nonzero(milliseconds(e.WaitMS))},
		{"asked for", e.Model},
		{"answered by", e.UpstreamModel},
		{"account", e.Account},
		{"calls to Google", strconv.Itoa(e.Attempts)},
		{"second attempt", string(e.Hedge)},
		{"ended with", e.FinishReason},
		{"error", e.Error},
	} {
		if line.value != "" {
			row(table, line.name, line.value)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(e.Choices) > 0 {
		fmt.Fprintln(out, "\nHow accounts were chosen:")
		row(table, "AFTER", "STEP", "MODEL", "ACCOUNT", "WHY", "QUOTA GROUPS", "PASSED OVER")
	}
	for i := range e.Choices {
		c := &e.Choices[i]
		row(table, after(e, c.At), c.What, c.Model, c.Account, why(c), counts(c.Groups), passedOver(c.Skipped))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(e.Tries) > 0 {
		fmt.Fprintln(out, "\nWhat came of it:")
		row(table, "AFTER", "ACCOUNT", "MODEL", "TOOK", "OUTCOME")
	}
	for i := range e.Tries {
		t := &e.Tries[i]
		row(table, after(e, t.Began), t.Account, t.Model, milliseconds(t.DurationMS), outcome(t))
	}
	return table.Flush()
}

// why is why an account was chosen, or why there was none and until when.
func why(c *rotator.TraceStep) string {
	words := c.Why
	if c.Waited > 0 {
		words += ", after " + duration(c.Waited) + " in line"
	}
	if c.RetryAfter > 0 {
		words += ", back in " + duration(c.RetryAfter)
	}
	return words
}

// duration is a number of seconds for people.
func duration(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(time.Millisecond).String()
}

// counts is how many quota groups were in which state.
func counts(groups map[string]int) string {
	words := slices.Sorted(maps.Keys(groups))
	for i, state := range words {
		words[i] = strconv.Itoa(groups[state]) + " " + state
	}
	return strings.Join(words, ", ")
}

// passedOver is which accounts could not be used, and why.
func passedOver(skipped []rotator.TraceSkip) string {
	words := make([]string, len(skipped))
	for i, s := range skipped {
		words[i] = s.Account + " (" + s.Reason
		if !s.Until.IsZero() {
			words[i] += " until " + s.Until.Format(time.RFC3339)
		}
		words[i] += ")"
	}
	return strings.Join(words, ", ")
}

// outcome is what came of a try.
func outcome(t *gateway.Try) string {
	words := t.Outcome
	if t.Status != 0 {
		words += " (HTTP " + strconv.Itoa(t.Status) + ")"
	}
	if !t.Called {
		words += ", without a call"
	}
	if t.Hedge {
		words += ", as second attempt"
	}
	return words
}

// after is when something happened, from the beginning of the exchange.
func after(e *gateway.Explanation, at time.Time) string {
	return milliseconds(at.Sub(e.Began).Milliseconds())
}

func milliseconds(n int64) string { return (time.Duration(n) * time.Millisecond).String() }

// nonzero leaves out a time that is none.
func nonzero(duration string) string {
	if duration == "0s" {
		return ""
	}
	return duration
}
