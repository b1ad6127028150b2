package gemini

import "bytes"

// How letters become tokens: as in the vocabulary of Google's models, of a quarter of a million pieces, an everyday English word is one
// piece with the space before it, a digit is one, and so is a run of spaces, of newlines, or of one sign of punctuation.
const (
	lettersOfWord    = 10 // that one token holds
	lettersOfAcronym = 4
)

// letterClass says what an ASCII character, or the first byte of another, is to textTokens.
type letterClass uint8

const (
	classSign letterClass = iota
	classLower
	classUpper
	classDigit
	classSpace
	classNewline
	classInside // a byte that begins no character
	classScript // of which scriptCosts knows how dense it is
)

var letterClasses = func() (classes [256]letterClass) {
	for b := range classes {
		switch {
		case 'a' <= b && b <= 'z', 0xc3 <= b && b <= 0xcb: // the latter begin the accented letters of Latin script
			classes[b] = classLower
		case 'A' <= b && b <= 'Z':
			classes[b] = classUpper
		case '0' <= b && b <= '9':
			classes[b] = classDigit
		case b == ' ' || b == '\t':
			classes[b] = classSpace
		case b == '\n' || b == '\r':
			classes[b] = classNewline
		case 0x80 <= b && b < 0xc0:
			classes[b] = classInside
		case b >= 0xc0:
			classes[b] = classScript
		}
	}
	return classes
}()

// A script's cost is per character, in tenths of a token. The first byte of a character in UTF-8 tells the script, or nearly so.
const (
	tenths        = 10
	accentCost    = 4 // a word with accents is rarer, and so is in more pieces
	ideographCost = 7
)

var scriptCosts = func() (costs [256]uint8) {
	for b := 0xc0; b < len(costs); b++ {
		switch {
		case b <= 0xc2: // signs such as § and °
			costs[b] = tenths
		case b <= 0xcf: // combining marks, Greek
			costs[b] = 4
		case b <= 0xd3: // Cyrillic
			costs[b] = 3
		case b <= 0xdf: // Hebrew, Arabic, Armenian and others
			costs[b] = 4
		case b == 0xe0: // India's, Thai and Lao
			costs[b] = 4
		case b == 0xe1: // Georgian, Khmer, and Vietnamese's letters with two marks
			costs[b] = 5
		case b == 0xe2: // dashes, quotation marks, arrows, symbols
			costs[b] = tenths
		case b <= 0xed: // Kana, Han, Hangul
			costs[b] = ideographCost
		default: // full width, emoji
			costs[b] = tenths
		}
	}
	return costs
}()

// Of a long prompt the first bytes are read, and then pieces that lie the further apart the more has been read, so that the time it takes
// grows with the square root of its length.
const (
	wholeBytes  = 16 << 10
	pieceBytes  = 256
	skipDivisor = 2 // of what has been read so much is skipped after a piece
)

// sample is what has been read of a prompt, and how much has been skipped. Texts follow each other in it as if they were one.
type sample struct {
	tenths, begun int64 // of tokens: of all that was read, and of the beginning, after which there are gaps
	read, skipped int
	reading       int // bytes to read before the next gap
	skipping      int // bytes of the gap
}

// takeSample adds a text.
func takeSample[Text string | ~[]byte](s *sample, text Text) {
	for len(text) > 0 {
		n := min(s.skipping, len(text))
		s.skipping -= n
		s.skipped += n
		text = text[n:]
		if n = min(s.reading, len(text)); n == 0 {
			continue
		}
		s.tenths += int64(tenthsOfTokens(text[:n]))
		s.reading -= n
		s.read += n
		text = text[n:]
		if s.reading == 0 {
			if s.begun == 0 {
				s.begun = s.tenths
			}
			s.reading, s.skipping = pieceBytes, s.read/skipDivisor
		}
	}
}

// total is about how many tokens all texts are. What was skipped is like the pieces that were not.
func (s *sample) total() int64 {
	sum := s.tenths
	switch pieces := int64(s.read - wholeBytes); {
	case s.skipped == 0:
	case pieces > 0:
		sum += (s.tenths - s.begun) * int64(s.skipped) / pieces
	default:
		sum += s.tenths * int64(s.skipped) / int64(s.read)
	}
	return (sum + tenths/2) / tenths
}

// textTokens is about how many tokens a short text is.
func textTokens[Text string | ~[]byte](text Text) int {
	return (tenthsOfTokens(text) + tenths/2) / tenths
}

// tenthsOfTokens is about how many tokens a text is, in tenths of one. A text in JSON is one too: the escapes in it count as what they
// stand for.
func tenthsOfTokens[Text string | ~[]byte](text Text) int {
	var tokens, more int // more are tenths
	for i := 0; i < len(text); {
		b := text[i]
		switch letterClasses[b] {
		case classLower, classUpper:
			end := i
			for end < len(text) && letterClasses[text[end]] == classUpper {
				end++
			}
			capitals := end - i
			for end < len(text) {
				c := text[end]
				if c >= 0xc3 && letterClasses[c] == classLower {
					more += accentCost
				} else if letterClasses[c] != classLower && (letterClasses[c] != classInside || end == i) {
					break
				}
				end++
			}
			tokens += wordTokens(capitals, end-i-capitals)
			i = end
		case classDigit:
			tokens++
			i++
		case classSpace:
			end := i + 1
			for end < len(text) && letterClasses[text[end]] == classSpace {
				end++
			}
			if end-i > 1 || end < len(text) && letterClasses[text[end]] == classDigit {
				tokens++
			}
			i = end
		case classNewline:
			tokens++
			for i++; i < len(text) && letterClasses[text[i]] == classNewline; i++ {
			}
		case classInside:
			i++
		case classScript:
			more += int(scriptCosts[b])
			i++
		default:
			width := 1
			if b == '\\' && i+1 < len(text) {
				switch text[i+1] {
				case 'u':
					more += ideographCost
					i += len(`\u0000`)
					continue
				case '"', '\\', '/', 'n', 'r', 't':
					width = 2
				}
			}
			tokens++
			last := text[i+width-1]
			for i += width; i+width <= len(text) && text[i] == b && text[i+width-1] == last; i += width {
			}
		}
	}
	return tokens*tenths + more
}

// wordTokens is the tokens of capitals followed by small letters: the last of several capitals begins the word.
func wordTokens(capitals, small int) int {
	var tokens int
	if small > 0 && capitals > 0 {
		small++
		capitals--
	}
	if small > 0 {
		tokens = 1 + max(0, small-lettersOfWord+3)/4
	}
	if capitals > 0 {
		tokens += 1 + max(0, capitals-lettersOfAcronym+1)*2/5
	}
	return tokens
}

// schemaTokens is about how many tokens a tool's JSON Schema is: Google tells the model the names, types and descriptions in it, in a
// form of its own. What this does not understand costs nothing.
func schemaTokens(schema []byte) int {
	var tokens, objects int
	var key []byte // the last member's name
	for i := 0; i < len(schema); {
		if schema[i] != '"' {
			i++
			continue
		}
		text := quoted(schema[i+1:])
		i += min(len(text)+2, len(schema)-i)
		if i < len(schema) && nextSign(schema[i:]) == ':' {
			key = text
			switch {
			case string(key) == "properties":
				objects++
			case !isKeyword(key):
				tokens += tokensPerProperty + textTokens(key)
			}
			continue
		}
		switch string(key) {
		case "description":
			tokens += textTokens(text)
		case "enum":
			tokens += tokensPerValue + textTokens(text)
		}
	}
	return tokens + max(0, objects-1)*tokensPerObject
}

// isKeyword reports whether a member of a schema is a keyword, and not a property's name. A property that is named like one costs
// little less for it.
func isKeyword(key []byte) bool {
	switch string(key) {
	case "type", "description", "properties", "required", "items", "enum", "title", "default", "format", "nullable", "example",
		"additionalProperties", "anyOf", "oneOf", "allOf", "not", "const", "pattern", "minimum", "maximum", "exclusiveMinimum",
		"exclusiveMaximum", "minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties", "multipleOf",
		"uniqueItems", "prefixItems", "propertyOrdering", "examples", "definitions":
		return true
	}
	return len(key) > 0 && key[0] == '$'
}

// quoted is the rest of a JSON string, up to its quotation mark, escapes and all.
func quoted(rest []byte) []byte {
	before, _, ended := bytes.Cut(rest, []byte{'"'})
	if !ended {
		return rest
	}
	if bytes.IndexByte(before, '\\') < 0 {
		return before
	}
	for i := 0; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case '"':
			return rest[:i]
		}
	}
	return rest
}

// nextSign is the first byte that is no white space; 0 for none.
func nextSign(rest []byte) byte {
	for _, b := range rest {
		if b != ' ' && b != '\n' && b != '\t' && b != '\r' {
			return b
		}
	}
	return 0
}
