package googlesim

// partCases are about what contents are made of.
func partCases() []ruleCase {
	file := func(uri string) string {
		return talk(user(`{"fileData":{"mimeType":"image/png","fileUri":"` + uri + `"}}`))
	}
	picture := `{"inlineData":{"mimeType":"image/png","data":"AA=="}`
	document := func(kind string) string {
		return talk(user(`{"inlineData":{"mimeType":"application/vnd.` + kind + `","data":"AA=="}}`))
	}
	done := talk(user(hello), says(call), user(result))
	ids := func(model, results string) string {
		return talk(user(hello), says(`{"functionCall":{"name":"f",`+model+`},"thoughtSignature":"skip_thought_signature_validator"}`,
			`{"functionCall":{"name":"g","id":"2"}}`), user(`{"functionResponse":{"name":"f",`+results+`}}`, `{"functionResponse":{"name":"g","id":"2"}}`))
	}
	return []ruleCase{
		{
			"media without data", "", two, talk(user(`{"inlineData":{"mimeType":"image/png","data":""}}`)), talk(user(picture + `}`)),
			"* GenerateContentRequest.contents[0].parts[0].inline_data.data: cannot be empty",
		},
		{
			"media of no kind", "", two, talk(user(`{"inlineData":{"data":"AA=="}}`)), talk(user(picture + `}`)), "Unsupported MIME type: ",
		},
		{
			"file without address", "", two, talk(user(`{"fileData":{"mimeType":"image/png"}}`)),
			file("https://generativelanguage.googleapis.com/v1beta/files/x"),
			"* GenerateContentRequest.contents[0].parts[0].file_data.file_uri: cannot be empty",
		},
		{
			"bucket on the Developer API", "", two, file("gs://b/o"), file("https://example.com/x.png"),
			"Invalid or unsupported file uri: gs://b/o",
		},
		{
			"the Developer API's file on Vertex", Vertex, two, file("https://generativelanguage.googleapis.com/v1beta/files/x"),
			file("gs://b/o"), "Invalid or unsupported file uri: https://generativelanguage.googleapis.com/v1beta/files/x",
		},
		{
			"video metadata of a text", "", three, talk(user(`{"text":"x","videoMetadata":{"fps":1}}`)),
			talk(user(`{"inlineData":{"mimeType":"video/mp4","data":"AA=="},"videoMetadata":{"fps":1}}`)), videoMetadataMessage,
		},
		{
			"how closely to look before 3", "", two, talk(user(picture + `,"mediaResolution":{"level":"MEDIA_RESOLUTION_LOW"}}`)),
			config(`"mediaResolution":"MEDIA_RESOLUTION_LOW"`), partResolutionMessage,
		},
		{
			"Word before 4", "", three, document("openxmlformats-officedocument.wordprocessingml.document"), talk(user(picture + `}`)),
			"Unsupported MIME type: application/vnd.openxmlformats-officedocument.wordprocessingml.document",
		},
		{
			"old Word on 4", "", four, document("ms-word"), document("openxmlformats-officedocument.wordprocessingml.document"),
			"Unsupported MIME type: application/vnd.ms-word",
		},
		{"unknown document on 4", "", four, document("oasis.other"), document("oasis.opendocument.text"), "Unsupported MIME type"},
		{
			"media in results of an unknown kind", "", three,
			talk(user(hello), says(sentry), user(`{"functionResponse":{"name":"f","parts":[{"inlineData":{"mimeType":"image/gif","data":"AA=="}}]}}`)),
			mediaResult(sentry), "Unsupported MIME type: image/gif",
		},
		{
			"called by an impossible name", "", two,
			talk(user(hello), says(`{"functionCall":{"name":"a b"}}`), user(`{"functionResponse":{"name":"a b"}}`)), done,
			"* GenerateContentRequest.contents[1].parts[0].function_call.name: [FIELD_INVALID] Invalid function name.",
		},
		{"the user calls", "", two, talk(user(call), user(result)), done, userCallsMessage},
		{"the model answers itself", "", two, talk(user(hello), says(call), says(result), user(hello)), done, modelResultsMessage},
		{"texts that are all empty on Vertex", Vertex, two, talk(user(`{"text":""}`, `{"text":""}`)), talk(user(`{"text":""}`, hello)), textMessage},
		{
			"instruction that is no text", "", two, with(`"systemInstruction":{"parts":[` + picture + `}]}`),
			with(`"systemInstruction":{"parts":[{"text":""}]}`), instructionTextMessage,
		},
		{
			"empty instruction on Vertex", Vertex, two, with(`"systemInstruction":{"parts":[{"text":""}]}`),
			with(`"systemInstruction":{"parts":[{"text":"x"}]}`), textMessage,
		},
		{
			"cache of Vertex on the Developer API", "", two, with(`"cachedContent":"projects/p/locations/global/cachedContents/x"`),
			with(`"cachedContent":"cachedContents/x"`), "Invalid cached content name: projects/p",
		},
		{
			"cache of the Developer API on Vertex", Vertex, two, with(`"cachedContent":"cachedContents/x"`),
			with(`"cachedContent":"projects/p/locations/global/cachedContents/x"`), "Invalid cached content name: cachedContents/x",
		},
		{"result with an id the call has not", "", idful, ids(`"args":{}`, `"id":"1"`), ids(`"id":"1"`, `"id":"1"`), idMismatchMessage},
		{"result without the id the call has", "", idful, ids(`"id":"1"`, `"response":{}`), ids(`"args":{}`, `"response":{}`), idMismatchMessage},
		{"two calls of one id", "", idful, ids(`"id":"2"`, `"id":"2"`), ids(`"id":"3"`, `"id":"3"`), sameIDMessage},
		{
			"another name under the same id before 3.5", "", two,
			talk(user(hello), says(`{"functionCall":{"name":"f","id":"1"}}`), user(`{"functionResponse":{"name":"g","id":"1"}}`)),
			talk(user(hello), says(`{"functionCall":{"name":"f","id":"1"}}`), user(`{"functionResponse":{"name":"f","id":"2"}}`)), nameMismatchMessage,
		},
	}
}
