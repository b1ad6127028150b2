package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// table is written row by row, and shown once it is complete.
type table struct{ *tabwriter.Writer }

func newTable(w io.Writer, columns ...string) table {
	t := table{tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)}
	t.row(columns...)
	return t
}

func (t table) row(cells ...string) { fmt.Fprintln(t, strings.Join(cells, "\t")+"\t") }

// end shows the table.
func (t table) end() {
	fmt.Fprintln(t)
	t.Flush()
}

func number(n int) string { return fmt.Sprint(n) }

// percent is a part of a whole.
func percent(part, whole int) string { return fmt.Sprintf("%.2f%%", 100*share(part, whole)) }

func share(part, whole int) float64 { return float64(part) / float64(max(whole, 1)) }

// seconds is a duration to two digits.
func seconds(d time.Duration) string { return fmt.Sprintf("%.2fs", d.Seconds()) }

// jain is Jain's index of fairness: 1 when all shares are equal, 1/n when one has everything.
func jain(shares []float64) float64 {
	var sum, squares float64
	for _, s := range shares {
		sum += s
		squares += s * s
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / (float64(len(shares)) * squares)
}

// percentile is the duration that so large a share of them does not exceed; 0 of none.
func percentile(all []time.Duration, share float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[int(share*float64(len(sorted)-1))]
}
