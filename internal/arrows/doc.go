// Package arrows holds the project's drawing: which package may import which, as a test. It keeps what the compiler does not.
package arrows
