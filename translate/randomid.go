package translate

import "crypto/rand"

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// RandomID is the prefix followed by n random characters of 0-9, A-Z and a-z, the form of the ids that OpenAI's API hands out. Safe
// for concurrent use.
func RandomID(prefix string, n int) string {
	const fair = 256 / len(base62) * len(base62) // bytes above would make the first characters likelier
	id := append(make([]byte, 0, len(prefix)+n), prefix...)
	var random [48]byte
	for {
		_, _ = rand.Read(random[:]) // it ends the program rather than fail
		for _, b := range random {
			if len(id) == len(prefix)+n {
				return string(id)
			}
			if int(b) < fair {
				id = append(id, base62[int(b)%len(base62)])
			}
		}
	}
}
