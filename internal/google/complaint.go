package google

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
)

// complaints are the sentences by which Google refuses what could be put in another way, in lower case. A sentence must begin this way:
// what the client said may be quoted in it, and what a refusal teaches holds for others too. The words are from recorded answers and
// public reports of bugs; "unable to submit request because" is how the cloud backends begin theirs.
var complaints = []struct {
	pattern *regexp.Regexp
	kind    gemini.ComplaintKind
}{
	{regexp.MustCompile(`^invalid json payload received\. unknown name "id" at '[^']*\bfunction_?(?:call|response)'`), gemini.ComplaintCallIDs},

	{regexp.MustCompile(`^(?:corrupted|invalid) thought.?signature`), gemini.ComplaintSignature},
	{regexp.MustCompile(`^(?:unable to submit request because )?thought.?signature is (?:not valid|invalid|corrupted)`), gemini.ComplaintSignature},
	{regexp.MustCompile(`^invalid value at '[^']*\bthought_?signature'`), gemini.ComplaintSignature},
	{regexp.MustCompile(`^function call is missing a thought_signature`), gemini.ComplaintUnsigned},
	{regexp.MustCompile("^unable to submit request because function call `[^`]*` in the \\d+\\. content block is missing"), gemini.ComplaintUnsigned},

	{regexp.MustCompile(`^function calling with a response mime type`), gemini.ComplaintJSONMode},
	{regexp.MustCompile(`^penalty is not enabled`), gemini.ComplaintPenalties},

	{regexp.MustCompile(`^(?:unable to submit request because )?thinking[ _]level(?: (?P<level>\w+))? is not supported`), gemini.ComplaintLevel},
	{
		regexp.MustCompile(`^'(?P<level>\w+)' is not a supported thinking level for this model\. allowed values are: (?P<levels>[\w, ]+)`),
		gemini.ComplaintLevel,
	},
	{
		regexp.MustCompile(`^the thinking budget \((?P<budget>-?\d{1,9})\) is invalid\. please choose a value between (?P<least>\d{1,9}) and (?P<most>\d{1,9})`),
		gemini.ComplaintBudget,
	},
	{regexp.MustCompile(`^thinking[ _]budget is not supported`), gemini.ComplaintBudget},
	{regexp.MustCompile(`^budget 0 is invalid`), gemini.ComplaintDisable},
	{
		regexp.MustCompile(`^unable to submit request because (?:the model does not support setting thinking_budget to 0|thinking can't be disabled)`),
		gemini.ComplaintDisable,
	},
	{regexp.MustCompile(`^thinking(?:_config)? is not supported`), gemini.ComplaintThinking},

	{
		regexp.MustCompile(`^invalid json payload received\. unknown name "(?P<field>parameters_?json_?schema|response_?json_?schema)"`),
		gemini.ComplaintSchema,
	},
	{regexp.MustCompile(`^invalid json payload received\. unknown name "[^"]*" at '(?P<field>[^']*)'`), gemini.ComplaintSchema},
	{regexp.MustCompile(`^invalid value at '(?P<field>[^']*)'`), gemini.ComplaintSchema},
	{regexp.MustCompile(`^\* generatecontentrequest\.(?P<field>[^\n]*?): `), gemini.ComplaintSchema},
	{regexp.MustCompile("^unable to submit request because `[^`]*` function_?declaration (?P<field>`parameters)[^`]*` schema"), gemini.ComplaintSchema},
	{regexp.MustCompile("^unable to submit request because (?P<field>`response_schema)[^`]*` schema"), gemini.ComplaintSchema},
	{regexp.MustCompile(`^a schema in (?P<field>generationconfig) in the request exceeds the maximum allowed nesting depth`), gemini.ComplaintSchema},
	{regexp.MustCompile(`^(?P<field>functiondeclaration) in the request exceeds the maximum allowed nesting depth`), gemini.ComplaintSchema},
	{regexp.MustCompile(`^maximum schema depth exceeded`), gemini.ComplaintSchema},
	{regexp.MustCompile(`^\$ref '[^\n]*' was set alongside unsupported fields`), gemini.ComplaintSchema},
	{regexp.MustCompile(`^reference to undefined schema at `), gemini.ComplaintSchema},
	{regexp.MustCompile(`^the specified schema produces (?P<states>a constraint) that has too many states`), gemini.ComplaintSchema},

	{regexp.MustCompile(`^request contains an invalid argument\.?\s*$`), gemini.ComplaintUnclear},
}

// Fields of a request that are schemas, or hold one, as the patterns find them.
var (
	parametersField = regexp.MustCompile("(?:^|\\.)(?:tools\\[\\d+\\]\\.function_?declarations\\[\\d+\\]\\.)(?:parameters|response)|^parameters|^`parameters|^functiondeclaration$")
	answerField     = regexp.MustCompile("(?:^|\\.)generation_?config\\.response_?(?:json_?)?schema|^response|^`response|^generationconfig$")
)

// complaint is what Google objects to, if it is something that could be put in another way.
func (r *report) complaint(kind rotator.FaultKind) gemini.Complaint {
	if kind != rotator.FaultRequest || r.status != http.StatusBadRequest {
		return gemini.Complaint{}
	}
	sentence := r.sentence()
	for i := range complaints {
		row := &complaints[i]
		m := row.pattern.FindStringSubmatch(sentence)
		if m == nil {
			continue
		}
		c := gemini.Complaint{Kind: row.kind}
		if readComplaint(&c, row.pattern, m) {
			return c
		}
	}
	return gemini.Complaint{}
}

// readComplaint completes a complaint with what its pattern found; false when it is about something else after all.
func readComplaint(c *gemini.Complaint, pattern *regexp.Regexp, m []string) bool {
	c.Structure = c.Kind == gemini.ComplaintSchema
	for i, name := range pattern.SubexpNames() {
		switch found := m[i]; name {
		case "field":
			c.Parameters, c.Answer = parametersField.MatchString(found), answerField.MatchString(found)
			if !c.Parameters && !c.Answer {
				return false
			}
		case "states":
			c.Structure = false
		case "level":
			c.Level = strings.ToUpper(found)
		case "levels":
			c.Levels = strings.FieldsFunc(strings.ToUpper(found), func(r rune) bool { return r == ',' || r == ' ' })
		case "budget":
			c.Off = found == "0"
		case "least":
			c.Least, _ = strconv.Atoi(found)
		case "most":
			c.Most, _ = strconv.Atoi(found)
		}
	}
	return true
}
