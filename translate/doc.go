// Package translate is the one conversation model between the protocols clients speak (surfaces) and the services Google offers
// (backends). A surface decodes its client's request into a Request and renders Events for it; package gemini encodes a Request
// for Google and folds Google's stream into Events. Nothing here does I/O, and no surface's vocabulary appears here.
package translate

// Backend is a Google service that answers generateContent calls. The dialects differ in a few fields, see package gemini.
type Backend string

// The backends, by the names operators write in their configuration.
const (
	GeminiAPI  Backend = "gemini_api"  // the Gemini Developer API, generativelanguage.googleapis.com
	Vertex     Backend = "vertex"      // Vertex AI, aiplatform.googleapis.com
	CodeAssist Backend = "code_assist" // Gemini Code Assist, cloudcode-pa.googleapis.com
)
