package translate

// Writer renders one answer in a surface's protocol. It belongs to one answer and is not safe for concurrent use. Both methods append
// to dst and return it, and keep nothing of it.
type Writer interface {
	// Append takes the next event. For a streamed answer it appends the bytes to send now, which may be none; otherwise it only
	// remembers. It gives a call the ID by which the client gets to know it, if the surface's calls have one.
	Append(dst []byte, ev *Event) []byte
	// Finish is called once, after the last event of a complete answer: it appends the end of the stream, or the whole body.
	Finish(dst []byte) []byte
}
