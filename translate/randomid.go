package translate

import "math/rand/v2"

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// RandomID is the prefix followed by n random characters of 0-9, A-Z and a-z, the form of the ids that OpenAI's API hands out. The
// randomness (ChaCha8) is against collisions; an id is no secret. Safe for concurrent use.
func RandomID(prefix string, n int) string {
	id := make([]byte, len(prefix)+n)
	for i := copy(id, prefix); i < len(id); i++ {
		id[i] = base62[rand.IntN(len(base62))]
	}
	return string(id)
}
