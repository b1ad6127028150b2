package rotator

// Affinity is which account served a conversation last. It is safe for concurrent use.
type Affinity struct{}

// NewAffinity returns an Affinity that knows no conversation.
func NewAffinity() *Affinity { return &Affinity{} }
