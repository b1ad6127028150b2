package openai

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

var (
	pngData  = []byte("\x89PNG\r\n\x1a\n and so on \xfb\xff\xfe")
	pdfData  = []byte("%PDF-1.4 and so on")
	docxData = []byte("PK\x03\x04 and so on word/document.xml \x00")
)

const docxType = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

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
			map[string]any{"type": "file", "file": map[string]any{"file_id": "files/abc", "filename": "a.pdf"}},
			translate.Media{MIME: "application/pdf", URI: filesAPI + "files/abc", Name: "a.pdf", Param: "messages[0].content[0].file.file_id"},
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
			translate.Media{MIME: docxType, Data: docxData},
		},
		{
			map[string]any{"type": "image", "source": map[string]any{"type": "base64", "media_type": "image/png", "data": b64(pngData)}},
			translate.Media{MIME: "image/png", Data: pngData},
		},
		{
			map[string]any{"type": "document", "source": map[string]any{"type": "base64", "media_type": "application/pdf", "data": b64(pdfData)}},
			translate.Media{MIME: "application/pdf", Data: pdfData},
		},
		{
			map[string]any{"type": "input_image", "detail": "high", "image_url": png},
			translate.Media{MIME: "image/png", Data: pngData, Detail: translate.DetailHigh},
		},
		{image(png), translate.Media{MIME: "image/png", Data: pngData, Detail: translate.DetailLow}},
		{
			map[string]any{"type": "image_url", "image_url": map[string]any{"url": png, "detail": "original"}},
			translate.Media{MIME: "image/png", Data: pngData},
		},
		{
			map[string]any{"type": "image_url", "image_url": map[string]any{"url": png, "detail": 7}},
			translate.Media{MIME: "image/png", Data: pngData},
		},
	} {
		if got := media(t, c.part); !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%v:\n got %+v\nwant %+v", c.part, *got, c.want)
		}
	}
}

func TestAnthropicsTextDocumentsAreText(t *testing.T) {
	got := conversation(t, `{"role":"user","content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"words"}}]}`)
	if len(got[0].Parts) != 1 || !reflect.DeepEqual(got[0].Parts[0], text("words")) {
		t.Errorf("%+v", got[0].Parts)
	}
}

func TestWhatGoogleCanReadIsLeftToGoogle(t *testing.T) {
	for url, mediaType := range map[string]string{
		"gs://bucket/a.jpg":                 "image/jpeg",
		"gs://bucket/picture":               "",
		"files/abc":                         "",
		filesAPI + "files/abc":              "",
		"https://www.youtube.com/watch?v=x": "video/mp4",
		"https://YOUTU.BE/x":                "video/mp4",
		"http://m.youtube.com/watch?v=x":    "video/mp4",
	} {
		want := translate.Media{URI: url, MIME: mediaType, Param: "messages[0].content[0].image_url.url"}
		if strings.HasPrefix(url, "files/") {
			want.URI = filesAPI + url
		}
		if got := media(t, map[string]any{"type": "image_url", "image_url": url}); !reflect.DeepEqual(*got, want) {
			t.Errorf("%s: %+v", url, *got)
		}
	}
}

func TestWhatIsOnOtherServersIsToBeGot(t *testing.T) {
	const url = "https://example.com/a.pdf?x=1"
	for _, c := range []struct {
		part    map[string]any
		field   string
		picture bool
	}{
		{image(url), "image_url.url", true},
		{map[string]any{"type": "image_url", "image_url": url}, "image_url.url", true},
		{map[string]any{"type": "image_url", "image_url": " " + url + "\n"}, "image_url.url", true},
		{map[string]any{"type": "input_image", "image_url": url}, "image_url.url", true},
		{map[string]any{"type": "image", "source": map[string]any{"type": "url", "url": url}}, "source.url", true},
		{map[string]any{"type": "document", "source": map[string]any{"type": "url", "url": url}}, "source.url", false},
		{map[string]any{"type": "input_file", "file_url": url}, "file_url.url", false},
		{map[string]any{"type": "file_url", "file_url": map[string]any{"url": url}}, "file_url.url", false},
		{map[string]any{"type": "document_url", "document_url": url}, "document_url", false},
		{map[string]any{"type": "video_url", "video_url": map[string]any{"url": url}}, "video_url.url", false},
		{map[string]any{"type": "file", "file": map[string]any{"file_id": url}}, "file.file_id", false},
	} {
		got := media(t, c.part)
		want := &translate.Source{URL: url, Param: "messages[0].content[0]." + c.field, Picture: c.picture}
		if !reflect.DeepEqual(got.Source, want) || got.URI != "" || got.Data != nil {
			t.Errorf("%v: %+v, source %+v", c.part, got, got.Source)
		}
	}
	got := conversation(t, `{"role":"tool","tool_call_id":"c","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":"`+url+`"}]}`)
	if source := got[0].Parts[0].Result.Media[0].Source; source == nil || source.Param != "messages[0].content[1].image_url.url" {
		t.Errorf("of a tool: %+v", source)
	}
}

func TestURLsThatCannotBePicturesAreRefused(t *testing.T) {
	for _, url := range []string{
		"file:///etc/passwd", "FILE:///etc/passwd", "ftp://example.com/a.png", "a.png", "//example.com/a.png", "javascript:alert(1)",
		"http://exa mple.com/", "unix:///run/docker.sock", "dict://127.0.0.1:11211/", "gopher://127.0.0.1:6379/_x",
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
