package google

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestScrubTakesOutWhoPays(t *testing.T) {
	for in, want := range map[string]string{
		"Publisher Model `projects/my-proj/locations/global/publishers/google/models/x` was not found":     "Publisher Model `the project` was not found",
		"denied on resource '//aiplatform.googleapis.com/projects/p-1/locations/l' (or it may not exist).": "denied on resource 'the project' (or it may not exist).",
		"Permission denied: Consumer 'api_key:AIzaSyABCDEF' has been suspended.":                           "Permission denied: consumer [hidden] has been suspended.",
		"for consumer 'project_number:348715329010'.":                                                      "for consumer [hidden].",
		"quota of project_number:348715329010 is spent":                                                    "quota of the project is spent",
		"has not been used in project 12345678 before":                                                     "has not been used in the project before",
		"has not been used in project test-project-id-1234 before":                                         "has not been used in the project before",
		"visit https://console.cloud.google.com/billing?project=p to pay":                                  "visit [hidden] to pay",
		"see https://ai.google.dev/gemini-api/docs/rate-limits.":                                           "see https://ai.google.dev/gemini-api/docs/rate-limits.",
		"see https://ai.google.dev.evil.example/x":                                                         "see [hidden]",
		"account jane.doe+x@sub.example.com is closed":                                                     "account [hidden] is closed",
		"service account bot@p-1.iam.gserviceaccount.com":                                                  "service account [hidden]",
		"key AIzaSyA1234567890_-x is bad":                                                                  "key [hidden] is bad",
		"key AQ.Ab8RN6abcdef is bad":                                                                       "key [hidden] is bad",
		"token ya29.a0AfH6SMBx-y_z is bad":                                                                 "token [hidden] is bad",
		"refresh token 1//0abcdefGHI-_ is bad":                                                             "refresh token [hidden] is bad",
		"secret GOCSPX-abc_def":                                                                            "secret [hidden]",
		"assertion eyJhbGciOi.eyJpc3MiOi.c2ln":                                                             "assertion [hidden]",
		"Authorization: Bearer abcdefgh12345":                                                              "Authorization: [hidden]",
		"Invalid API key: key1234":                                                                         "Invalid API key: [hidden]",
		// What helps a client stays.
		"models/gemini-5.0-flash is not found for API version v1beta":     "models/gemini-5.0-flash is not found for API version v1beta",
		`Unknown name "id" at 'contents[7].parts[0]': Cannot find field.`: `Unknown name "id" at 'contents[7].parts[0]': Cannot find field.`,
		"Please enable billing on your project in Google AI Studio.":      "Please enable billing on your project in Google AI Studio.",
		"your project does not have access to it":                         "your project does not have access to it",
		"properties[projects].items: missing field":                       "properties[projects].items: missing field",
	} {
		if got := scrub(in); got != want {
			t.Errorf("%q\n got %q\nwant %q", in, got, want)
		}
	}
}

func TestOperatorsKeepProjectsButNoSecrets(t *testing.T) {
	got := scrubSecrets("project p-1 (https://console.cloud.google.com), key AIzaSyA1234567890, jane@example.com")
	if want := "project p-1 (https://console.cloud.google.com), key [hidden], [hidden]"; got != want {
		t.Error(got)
	}
}

func TestMessagesAreShortenedBetweenCharacters(t *testing.T) {
	got := scrub("x" + strings.Repeat("ä", maxMessage))
	if len(got) > maxMessage+len("…") || !utf8.ValidString(got) || !strings.HasSuffix(got, "ä…") {
		t.Errorf("%d bytes, %q", len(got), got[len(got)-8:])
	}
}
