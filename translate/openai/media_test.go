package openai

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

var (
	pngData  = []byte("\x89PNG\r\n\x1a\n and so on \xfb\xff\xfe")
	jpegData = []byte("\xff\xd8\xff\xe0 and so on")
	heicData = []byte("\x00\x00\x00\x18ftypheic and so on")
	pdfData  = []byte("%PDF-1.4 and so on")
	docxData = []byte("PK\x03\x04 and so on word/document.xml \x00")
)

func b64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// media decodes a message with one part and returns what it holds.
func media(t *testing.T, part map[string]any) *translate.Media {
	t.Helper()
	text, err := json.Marshal(part)
	if err != nil {
		t.Fatal(err)
	}
	got := conversation(t, `{"role":"user","content":[`+string(text)+`]}`)
	if len(got[0].Parts) != 1 || got[0].Parts[0].Kind != translate.PartMedia {
		t.Fatalf("%s: %+v", text, got[0].Parts)
	}
	return got[0].Parts[0].Media
}

func image(url string) map[string]any {
	return map[string]any{"type": "image_url", "image_url": map[string]any{"url": url, "detail": "low"}}
}

func TestDataURLsAreReadHoweverClientsWriteThem(t *testing.T) {
	std, urlSafe := b64(pngData), base64.RawURLEncoding.EncodeToString(pngData)
	for url, want := range map[string]string{
		"data:image/png;base64," + std:                                  "image/png",
		"DATA:IMAGE/PNG;BASE64," + std:                                  "image/png",
		"data:image/png;base64," + urlSafe:                              "image/png",
		"data:image/png;base64," + std[:8] + "\n \t" + std[8:] + "\r\n": "image/png",
		"data:image/png; charset=utf-8 ;base64," + std:                  "image/png",
		"data:image/png;base64," + std[:len(std)-1] + "%3D":             "image/png",
		"data:;base64," + std:                                           "image/png",
		"data:image/*;base64," + std:                                    "image/png",
		"data:application/octet-stream;base64," + std:                   "image/png",
		"data:image/jpeg;base64," + std:                                 "image/png", // it is not what it says it is
		"data:image/webp;base64," + b64(pngData):                        "image/png",
		" data:image/png;base64," + std:                                 "image/png",
	} {
		if std[len(std)-1] != '=' {
			t.Fatal("the data must need padding")
		}
		got := media(t, image(url))
		if got.MIME != want || !bytes.Equal(got.Data, pngData) {
			t.Errorf("%q: %s, %q", url, got.MIME, got.Data)
		}
	}
	if got := media(t, image("data:text/plain,hello%20world%21")); got.MIME != "text/plain" || string(got.Data) != "hello world!" {
		t.Errorf("%+v", got)
	}
}

func TestMediaTypesAreSettledByDeclarationContentAndName(t *testing.T) {
	for _, c := range []struct {
		declared, name string
		data           []byte
		want           string
	}{
		{"image/jpg", "", jpegData, "image/jpeg"},
		{"image/png", "", []byte("not really a picture"), "image/png"},
		{"image/png", "", heicData, "image/heic"},
		{"", "", jpegData, "image/jpeg"},
		{"", "photo.png", jpegData, "image/jpeg"},
		{"", "", pdfData, "application/pdf"},
		{"application/pdf", "", []byte("?"), "application/pdf"},
		{"application/octet-stream", "table.csv", []byte("a,b"), "text/csv"},
		{"", "NOTES.MD", []byte("# x"), "text/md"},
		{"", "noname", []byte("plain words"), "text/plain"},
		{"", "", docxData, extensions[".docx"]},
		{"", "x.docx", []byte("PK\x03\x04\x00"), extensions[".docx"]},
		{"", "", []byte("\x00\x01\x02\x03"), ""},
		{"audio/x-wav", "", []byte("RIFF\x00\x00\x00\x00WAVE"), "audio/wav"},
		{"", "a.m4a", []byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00"), "audio/m4a"},
		{"", "", []byte("ID3\x03"), "audio/mpeg"},
	} {
		if got := mediaTypeOf(c.declared, c.name, c.data); got != c.want {
			t.Errorf("declared %q, named %q, %q: %q, want %q", c.declared, c.name, c.data, got, c.want)
		}
	}
}

func TestMediaPartsInEveryForm(t *testing.T) {
	png := "data:image/png;base64," + b64(pngData)
	for _, c := range []struct {
		part map[string]any
		want translate.Media
	}{
		{map[string]any{"type": "image_url", "image_url": png}, translate.Media{MIME: "image/png", Data: pngData}},
		{map[string]any{"type": "input_image", "image_url": png}, translate.Media{MIME: "image/png", Data: pngData}},
		{
			map[string]any{"type": "input_audio", "input_audio": map[string]any{"data": b64([]byte("snd")), "format": "mp3"}},
			translate.Media{MIME: "audio/mp3", Data: []byte("snd")},
		},
		{
			map[string]any{"type": "input_audio", "input_audio": map[string]any{"data": "data:audio/wav;base64," + b64([]byte("snd"))}},
			translate.Media{MIME: "audio/wav", Data: []byte("snd")},
		},
		{
			map[string]any{"type": "file", "file": map[string]any{"filename": "a.pdf", "file_data": b64(pdfData)}},
			translate.Media{MIME: "application/pdf", Data: pdfData, Name: "a.pdf"},
		},
		{
			map[string]any{"type": "file", "file": map[string]any{"file_data": "data:application/pdf;base64," + b64(pdfData)}},
			translate.Media{MIME: "application/pdf", Data: pdfData},
		},
		{
			map[string]any{"type": "input_file", "filename": "a.txt", "file_data": b64([]byte("txt"))},
			translate.Media{MIME: "text/plain", Data: []byte("txt"), Name: "a.txt"},
		},
		{
			map[string]any{"type": "input_file", "file_url": "https://example.com/a.pdf"},
			translate.Media{MIME: "application/pdf", URI: "https://example.com/a.pdf"},
		},
		{
			map[string]any{"type": "file", "file": map[string]any{"file_id": "files/abc", "filename": "a.pdf"}},
			translate.Media{MIME: "application/pdf", URI: filesAPI + "files/abc", Name: "a.pdf"},
		},
		{
			map[string]any{"type": "video_url", "video_url": map[string]any{"url": "data:video/mp4;base64," + b64([]byte("mov"))}},
			translate.Media{MIME: "video/mp4", Data: []byte("mov")},
		},
		{
			map[string]any{"type": "document_url", "document_url": "data:application/pdf;base64," + b64(pdfData)},
			translate.Media{MIME: "application/pdf", Data: pdfData},
		},
		{
			map[string]any{"type": "file_url", "file_url": map[string]any{"url": b64(docxData)}},
			translate.Media{MIME: extensions[".docx"], Data: docxData},
		},
		{image("gs://bucket/a.jpg"), translate.Media{MIME: "image/jpeg", URI: "gs://bucket/a.jpg"}},
		{image("https://example.com/a/b.PNG?x=1"), translate.Media{MIME: "image/png", URI: "https://example.com/a/b.PNG?x=1"}},
		{image("https://example.com/picture"), translate.Media{URI: "https://example.com/picture"}},
		{image(filesAPI + "files/abc"), translate.Media{URI: filesAPI + "files/abc"}},
		{image("https://www.youtube.com/watch?v=x"), translate.Media{MIME: "video/mp4", URI: "https://www.youtube.com/watch?v=x"}},
		{image("https://youtu.be/x"), translate.Media{MIME: "video/mp4", URI: "https://youtu.be/x"}},
		{image("https://8.8.8.8/a.png"), translate.Media{MIME: "image/png", URI: "https://8.8.8.8/a.png"}},
	} {
		got := media(t, c.part)
		if got.MIME != c.want.MIME || got.URI != c.want.URI || got.Name != c.want.Name || !bytes.Equal(got.Data, c.want.Data) {
			t.Errorf("%v:\n got %+v\nwant %+v", c.part, *got, c.want)
		}
	}
}

func TestURLsThatCannotBePublicPicturesAreRefused(t *testing.T) {
	for _, url := range []string{
		"http://127.0.0.1/a.png", "http://localhost/a.png", "http://LOCALHOST:8080/", "https://169.254.169.254/latest/meta-data",
		"http://10.0.0.1/", "http://192.168.1.1/", "http://172.16.0.1/", "http://[::1]/", "http://[fe80::1]/", "http://[fd00::1]/",
		"http://[::ffff:127.0.0.1]/", "http://[::ffff:100.64.0.1]/", "http://0.0.0.0/", "http://100.64.0.1/", "http://127.1/", "http://2130706433/", "http://0x7f000001/",
		"http://0x7f.0.0.1/", "http://metadata.google.internal/", "http://printer.local/", "http://intranet/", "http://a.localhost/",
		"http://127.0.0.1./", "http:///a.png", "http://224.0.0.1/", "http://255.255.255.255/", "http://[64:ff9b::7f00:1]/",
		"file:///etc/passwd", "ftp://example.com/a.png", "a.png", "//example.com/a.png", "javascript:alert(1)", "http://exa mple.com/",
		"data:image/png;base64,", "data:image/png;base64,????", "data:image/png;base64", "data:,", "data:;base64,AAECAw==",
	} {
		text, err := json.Marshal(image(url))
		if err != nil {
			t.Fatal(err)
		}
		e := refused(t, `{"messages":[{"role":"user","content":[{"type":"text","text":"x"},`+string(text)+`]}]}`)
		if e.Code != "invalid_image_url" || e.Param != "messages[0].content[1].image_url.url" {
			t.Errorf("%s: %q %q", url, e.Code, e.Param)
		}
	}
}
