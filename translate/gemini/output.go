package gemini

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// Google's names of what an answer may be made of.
var modalityNames = [...]string{translate.ModalityText: "TEXT", translate.ModalityImage: "IMAGE", translate.ModalityAudio: "AUDIO"}

// output asks for pictures and sound, from models that are made for them: the others answer in text.
func (e *encoder) output(config *generationConfig) error {
	o := &e.req.Output
	switch e.model.Kind {
	case KindImage:
		if slices.Contains(o.Modalities, translate.ModalityImage) {
			for _, m := range o.Modalities {
				config.ResponseModalities = append(config.ResponseModalities, modalityNames[m])
			}
		}
		e.pictures(config)
	case KindSpeech:
		config.ResponseModalities = []string{modalityNames[translate.ModalityAudio]}
		if o.Voice != "" {
			config.SpeechConfig = &speechConfig{voiceConfig{prebuiltVoiceConfig{voiceName(o.Voice)}}}
		}
	default:
		if slices.Contains(o.Modalities, translate.ModalityAudio) {
			return translate.Invalid("modalities", "unsupported_value",
				"Unsupported value: 'modalities' does not support 'audio' with %s, which answers in text.", e.model.ID)
		}
		if slices.Contains(o.Modalities, translate.ModalityImage) {
			e.ignore("modalities")
		}
		if o.AspectRatio != "" || o.ImageSize != "" {
			e.ignore("image_config")
		}
	}
	if e.model.Kind != KindSpeech && (o.Voice != "" || o.AudioFormat != "") {
		e.ignore("audio")
	}
	return nil
}

func (e *encoder) pictures(config *generationConfig) {
	o := &e.req.Output
	if o.AspectRatio == "" && o.ImageSize == "" {
		return
	}
	if e.backend == translate.CodeAssist {
		e.ignore("image_config")
		return
	}
	config.ImageConfig = &imageConfig{AspectRatio: o.AspectRatio, ImageSize: o.ImageSize}
}

// voices are Google's voices nearest to those of OpenAI's names.
var voices = map[string]string{
	"alloy": "Kore", "ash": "Charon", "ballad": "Orus", "cedar": "Algieba", "coral": "Aoede", "echo": "Puck", "fable": "Fenrir",
	"marin": "Sulafat", "nova": "Zephyr", "onyx": "Iapetus", "sage": "Leda", "shimmer": "Despina", "verse": "Umbriel",
}

// voiceName is a voice by Google's name; a name that is not OpenAI's is Google's own.
func voiceName(name string) string { return cmp.Or(voices[strings.ToLower(name)], name) }

// service is how Google is to treat the request as a whole.
func (e *encoder) service() error {
	e.out.SafetySettings = e.req.Safety
	e.out.CachedContent = e.req.CachedContent
	switch {
	case e.req.Labels == nil:
	case e.backend == translate.GeminiAPI:
		e.ignore("labels")
	default:
		e.out.Labels = e.req.Labels
	}
	if e.backend == translate.CodeAssist && e.req.Conversation != "" {
		e.out.SessionID = sessionID(e.req.Conversation)
	}
	if e.req.Tier == "" {
		return nil
	}
	switch e.backend {
	case translate.GeminiAPI:
		e.out.ServiceTier = e.req.Tier
	case translate.CodeAssist:
		e.ignore("service_tier")
	default: // Vertex reads it in a header
	}
	return nil
}

// sessionID is a UUID that stands for a conversation, so that Google can tell what may be in its cache, but not what the client calls it.
func sessionID(conversation string) string {
	id := sha256.Sum256([]byte(conversation))
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // version 8, which is anybody's own
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:16])
}
