package translate

import "strings"

// firstStop is where the stop sequence begins that is complete first, which does not depend on how much of the text there is.
func firstStop(text string, stops []string) (at int, found bool) {
	var end int
	for _, stop := range stops {
		i := strings.Index(text, stop)
		if i < 0 {
			continue
		}
		if over := i + len(stop); !found || over < end || over == end && i < at {
			at, end, found = i, over, true
		}
	}
	return at, found
}

// longestBeginning is how many bytes at the text's end may be the beginning of a stop sequence.
func longestBeginning(text string, stops []string) (longest int) {
	for _, stop := range stops {
		for n := min(len(stop)-1, len(text)); n > longest; n-- {
			if strings.HasSuffix(text, stop[:n]) {
				longest = n
			}
		}
	}
	return longest
}

const codeFence = "```"

// fence takes the code fence off an answer that is JSON, which it never begins or ends with otherwise.
type fence struct {
	open bool   // the answer has not begun, as far as is known
	held string // may be a fence
	seen bool   // the answer began with one, so the last thing in it may be another
}

// maxFenceLine bounds the first line of a fence, in bytes: "```json" and white space.
const maxFenceLine = 32

// strip is what of the text so far is known not to be a fence.
func (f *fence) strip(piece string) string {
	if !f.open && !f.seen {
		return piece
	}
	text := f.held + piece
	f.held = ""
	if f.open {
		var known bool
		if text, known = f.begin(text); !known {
			return ""
		}
	}
	if f.seen {
		rest := strings.TrimRight(text, "` \t\r\n")
		f.held = text[len(rest):]
		return rest
	}
	return text
}

// begin takes the first line off if it is a fence; it is not known until there is enough of it.
func (f *fence) begin(text string) (rest string, known bool) {
	start := strings.TrimLeft(text, " \t\r\n")
	if len(start) < len(codeFence) && strings.HasPrefix(codeFence, start) {
		f.held = text
		return "", false
	}
	if strings.HasPrefix(start, codeFence) {
		line := strings.IndexByte(start, '\n')
		if line < 0 && len(start) < maxFenceLine {
			f.held = text
			return "", false
		}
		if 0 <= line && line < maxFenceLine {
			text, f.seen = start[line+1:], true
		}
	}
	f.open = false
	return text, true
}

// close is what was held back and turns out to be no fence.
func (f *fence) close() string {
	held, seen := f.held, f.seen
	*f = fence{}
	if seen && strings.HasPrefix(strings.TrimLeft(held, " \t\r\n"), codeFence) {
		return ""
	}
	return held
}
