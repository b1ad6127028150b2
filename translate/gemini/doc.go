// Package gemini speaks Gemini's dialect of generateContent: it encodes a translate.Request for a model on one of Google's backends,
// and folds the answer, event by event, into translate's events. It also holds, as data, what is known about the models. There is no
// I/O in it.
//
// The facts about Google are from its documentation, from the field lists of its SDKs and from recorded answers. What none of these
// settles is a named constant or a field of the catalogue.
package gemini
