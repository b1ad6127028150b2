package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

func main() {
	testing.Main(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "quota", F: report}}, nil, nil)
}

// autumn is midnight before three days of which the last is the Sunday of 25 hours on which clocks go back.
var autumn = time.Date(2026, 10, 30, 0, 0, 0, 0, pacific)

// report prints the table.
func report(t *testing.T) {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	defer table.Flush()
	header := []string{
		"demand", "setup", "asked", "capacity", "served", "share", "calls", "429s", "most", "late", "Jain", "turned away", "wrongly",
		"wait p50", "p99", "took",
	}
	print := func(row []string) { fmt.Fprintln(table, strings.Join(row, "\t")+"\t") }
	print(header)
	for _, s := range scenarios(autumn, 4) {
		o := s.run(t)
		print(o.row())
		o.check(t)
	}
}
