package translate

import (
	"fmt"
	"strings"
	"testing"
)

// transcript is a Writer that writes events down, with texts of one candidate in a row joined.
type transcript struct{ lines []string }

func (w *transcript) Append(dst []byte, ev *Event) []byte {
	line := fmt.Sprintf("%d:", ev.Candidate)
	switch ev.Kind {
	case EventText:
		line += "text:" + ev.Text
		if n := len(w.lines); n > 0 && strings.HasPrefix(w.lines[n-1], fmt.Sprintf("%d:text:", ev.Candidate)) {
			w.lines[n-1] += ev.Text
			return append(dst, ev.Text...)
		}
	case EventCall:
		line += "call:" + ev.Call.Name
	case EventFinish:
		line += "finish:" + ev.Finish.String()
	case EventUsage:
		line = "usage"
	default:
		line += fmt.Sprint("kind ", ev.Kind)
	}
	w.lines = append(w.lines, line)
	return append(dst, ev.Text...)
}

func (w *transcript) Finish(dst []byte) []byte { return dst }

func textOf(candidate int, text string) *Event {
	return &Event{Kind: EventText, Candidate: candidate, Text: text}
}

func callOf(name string) *Event { return &Event{Kind: EventCall, Call: &Call{Name: name}} }

func finishOf(candidate int, f Finish) *Event {
	return &Event{Kind: EventFinish, Candidate: candidate, Finish: f}
}

var usageEvent = &Event{Kind: EventUsage}

var sixStops = Sampling{Stop: []string{"1", "2", "3", "4", "END", "ENOUGH"}}

func TestTrimming(t *testing.T) {
	one := Request{OneCall: true}
	stops := Request{Sampling: sixStops}
	json := Request{Format: Format{Kind: FormatJSON}}
	for _, c := range []struct {
		name    string
		request Request
		events  []*Event
		want    string
		ended   bool
	}{
		{
			"a stop sequence in one piece", stops,
			[]*Event{textOf(0, "a b ENOUGH c"), textOf(0, "d"), finishOf(0, FinishLength), usageEvent},
			"0:text:a b |0:finish:stop|usage", true,
		},
		{
			"a stop sequence in three pieces", stops,
			[]*Event{textOf(0, "a EN"), textOf(0, "OU"), textOf(0, "GH b"), usageEvent},
			"0:text:a |0:finish:stop|usage", true,
		},
		{
			"the beginning of one", stops,
			[]*Event{textOf(0, "a EN"), textOf(0, "OUR"), textOf(0, " EN"), finishOf(0, FinishStop), usageEvent},
			"0:text:a ENOUR EN|0:finish:stop|usage", true,
		},
		{"the first of two", stops, []*Event{textOf(0, "a ENOUGH 1")}, "0:text:a |0:finish:stop", true},
		{"one at the very beginning", stops, []*Event{textOf(0, "1a")}, "0:finish:stop", true},
		{"none across a call", stops, []*Event{textOf(0, "EN"), callOf("f"), textOf(0, "D")}, "0:text:EN|0:call:f|0:text:D", false},
		{"one after a call", stops, []*Event{callOf("f"), textOf(0, "a1b")}, "0:call:f|0:text:a|0:finish:tool_calls", true},
		{
			"signatures do not part it", stops,
			[]*Event{textOf(0, "aEN"), {Kind: EventSignature}, textOf(0, "D")},
			"0:text:a|0:kind 5|0:finish:stop", true,
		},
		{"thoughts are not searched", stops, []*Event{{Kind: EventThought, Text: "1"}, textOf(0, "a")}, "0:kind 1|0:text:a", false},
		{
			"the first call only", one,
			[]*Event{textOf(0, "a"), callOf("f"), callOf("g"), textOf(0, "b"), finishOf(0, FinishCalls), usageEvent},
			"0:text:a|0:call:f|0:finish:tool_calls|usage", true,
		},
		{"no call", one, []*Event{textOf(0, "a")}, "0:text:a", false},
		{
			"a fence around JSON", json,
			[]*Event{textOf(0, "`"), textOf(0, "``js"), textOf(0, "on\n{\"a\":"), textOf(0, "1}\n``"), textOf(0, "`\n"), finishOf(0, FinishStop)},
			`0:text:{"a":1}|0:finish:stop`, true,
		},
		{"a fence that does not end", json, []*Event{textOf(0, "```json\n{} "), finishOf(0, FinishLength)}, "0:text:{} |0:finish:length", true},
		{
			"fences inside a string", json,
			[]*Event{textOf(0, "```\n\"a\n```"), textOf(0, "\n b\"\n```"), finishOf(0, FinishStop)},
			"0:text:\"a\n```\n b\"|0:finish:stop", true,
		},
		{"no fence", json, []*Event{textOf(0, " \n"), textOf(0, "{}"), textOf(0, " ```"), finishOf(0, FinishStop)}, "0:text: \n{} ```|0:finish:stop", true},
		{"nothing but white space", json, []*Event{textOf(0, " \n"), finishOf(0, FinishStop)}, "0:text: \n|0:finish:stop", true},
	} {
		var w transcript
		trimmed := Trim(&w, &c.request)
		for _, ev := range c.events {
			trimmed.Append(nil, ev)
		}
		if got := strings.Join(w.lines, "|"); got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
		if _, ended := trimmed.(Ender).Ended(); ended != c.ended {
			t.Errorf("%s: ended is %v", c.name, ended)
		}
	}
}

func TestCandidatesAreTrimmedOnTheirOwn(t *testing.T) {
	var w transcript
	sampling := sixStops
	sampling.Candidates = 2
	trimmed := Trim(&w, &Request{Sampling: sampling})
	for _, ev := range []*Event{textOf(0, "aEN"), textOf(1, "bD1"), textOf(0, "D"), textOf(2, "nobody's")} {
		trimmed.Append(nil, ev)
	}
	if got := strings.Join(w.lines, "|"); got != "0:text:a|1:text:bD|1:finish:stop|0:finish:stop|2:text:nobody's" {
		t.Error(got)
	}
}

func TestNothingIsTrimmedWhereGoogleDoesIt(t *testing.T) {
	var w transcript
	if got := Trim(&w, &Request{Sampling: Sampling{Stop: sixStops.Stop[:5]}}); got != Writer(&w) {
		t.Errorf("%T", got)
	}
}

// Wherever a text is cut, what is written is the text before the first stop sequence.
func FuzzStopsAcrossPieces(f *testing.F) {
	f.Add("a ENOUGH b", uint64(0b1011))
	f.Add("EENDEN", uint64(1<<40-1))
	f.Add("éENENOUGENOUGH", uint64(0x5555))
	f.Add("ABCAB", uint64(0b110110))
	sampling := Sampling{Stop: append([]string{"ABC", "B", "AB"}, sixStops.Stop...)}
	f.Fuzz(func(t *testing.T, text string, cuts uint64) {
		want := text
		if at, found := firstStop(text, sampling.Stop); found {
			want = text[:at]
		}
		var w transcript
		trimmed := Trim(&w, &Request{Sampling: sampling})
		var got []byte
		begin := 0
		for i := 1; i < len(text); i++ {
			if cuts>>(i%64)&1 == 1 {
				got = trimmed.Append(got, textOf(0, text[begin:i]))
				begin = i
			}
		}
		got = trimmed.Append(got, textOf(0, text[begin:]))
		got = trimmed.Append(got, finishOf(0, FinishStop))
		if string(got) != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	})
}
