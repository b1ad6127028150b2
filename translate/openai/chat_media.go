package openai

import (
	"encoding/base64"
	"encoding/binary"
	"mime"
	"strconv"
	"strings"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// maxLine bounds what is put into one event, in bytes: openai-go reads lines of up to 32 MiB, and fails at longer ones.
const maxLine = 30 << 20

// media keeps what the model made until the end of the choice. Of a stream, pictures that are too large together go out before it.
func (w *chatWriter) media(dst []byte, choice int, m *translate.Media, signature translate.Signature) []byte {
	c := &w.choices[choice]
	if w.form.stream && len(c.images) > 0 && len(c.images)+base64.StdEncoding.EncodedLen(len(m.Data)) > maxLine {
		dst = w.openDelta(dst, choice)
		dst = appendList(dst, "images", c.images)
		dst = w.closeDelta(dst)
		c.images = nil
	}
	c.addMedia(m, signature)
	return dst
}

// addMedia keeps what the model made besides text until the end of the choice. OpenAI's protocol has a place for sound, and OpenRouter
// introduced one for pictures; there is none for anything else.
func (c *chatChoice) addMedia(m *translate.Media, signature translate.Signature) {
	switch kind, _, _ := strings.Cut(m.MIME, "/"); kind {
	case "image":
		c.addImage(m, signature)
	case "audio":
		c.audio.add(m)
	}
}

func (c *chatChoice) addImage(m *translate.Media, signature translate.Signature) {
	dst := c.images
	if len(dst) > 0 {
		dst = append(dst, ',')
	}
	dst = append(dst, `{"index":`...)
	dst = strconv.AppendInt(dst, int64(c.imageCount), 10)
	dst = append(dst, `,"type":"image_url","image_url":{"url":`...)
	if m.URI != "" {
		dst = appendString(dst, m.URI)
	} else {
		dst = appendString(dst, "data:"+m.MIME+";base64,")
		dst = base64.StdEncoding.AppendEncode(dst[:len(dst)-1], m.Data)
		dst = append(dst, '"')
	}
	dst = append(dst, '}')
	if !signature.IsZero() {
		dst = append(dst, ',')
		dst = appendSignature(dst, signature)
	}
	c.images = append(dst, '}')
	c.imageCount++
}

// audio is what a choice says aloud. It goes out in one delta: openai-node keeps the last one of a member it does not know.
type audio struct {
	mime string
	data []byte
}

// add appends the next piece. Samples without a container go on from piece to piece; in a container, the first piece is all of it.
func (a *audio) add(m *translate.Media) {
	if len(a.data) == 0 {
		a.mime = m.MIME
	} else if _, raw := sampleRate(a.mime); !raw || a.mime != m.MIME {
		return
	}
	a.data = append(a.data, m.Data...)
}

// sampleRate is that of audio without a container: Google's speech models answer with 16-bit samples of one channel, and say so with a
// type such as audio/L16;codec=pcm;rate=24000.
func sampleRate(mediaType string) (hertz uint32, raw bool) {
	const usual = 24_000
	kind, params, err := mime.ParseMediaType(mediaType)
	if err != nil || kind != "audio/l16" && kind != "audio/pcm" {
		return 0, false
	}
	rate, err := strconv.ParseUint(params["rate"], 10, 32)
	if err != nil {
		return usual, true
	}
	return uint32(rate), true
}

// audioSamples is OpenAI's name for the one format in which samples have no container.
const audioSamples = "pcm16"

// appendAudio appends the member audio. Nothing is kept here for a client to refer to later, so what it holds is expired from the start.
func (w *chatWriter) appendAudio(dst []byte, a *audio) []byte {
	const idRandom = 24
	dst = append(dst, `"audio":{"id":"`...)
	dst = append(dst, translate.RandomID("audio_", idRandom)...)
	dst = append(dst, `","data":"`...)
	data := a.data
	if rate, raw := sampleRate(a.mime); raw && w.request.Output.AudioFormat != audioSamples {
		data = append(wavHeader(rate, len(data)), data...)
	}
	dst = base64.StdEncoding.AppendEncode(dst, data)
	dst = append(dst, `","expires_at":`...)
	dst = strconv.AppendInt(dst, w.created, 10)
	return append(dst, `,"transcript":""}`...)
}

// wavHeader is the beginning of a WAV file of 16-bit samples of one channel.
func wavHeader(rate uint32, size int) []byte {
	const (
		headerSize, formatSize = 44, 16
		pcm, channels          = 1, 1
		bits                   = 16
		block                  = channels * bits / 8
	)
	le := binary.LittleEndian
	dst := make([]byte, 0, headerSize+size)
	dst = append(dst, "RIFF"...)
	dst = le.AppendUint32(dst, uint32(headerSize-8+size)) //nolint:gosec // an answer is far smaller than 4 GiB
	dst = append(dst, "WAVEfmt "...)
	dst = le.AppendUint32(dst, formatSize)
	dst = le.AppendUint16(dst, pcm)
	dst = le.AppendUint16(dst, channels)
	dst = le.AppendUint32(dst, rate)
	dst = le.AppendUint32(dst, rate*block)
	dst = le.AppendUint16(dst, block)
	dst = le.AppendUint16(dst, bits)
	dst = append(dst, "data"...)
	return le.AppendUint32(dst, uint32(size)) //nolint:gosec // see above
}
