package translate

import "testing"

func TestMediaTypesAreSettledByDeclarationContentAndName(t *testing.T) {
	var (
		png  = []byte("\x89PNG\r\n\x1a\n and so on")
		jpeg = []byte("\xff\xd8\xff\xe0 and so on")
		heic = []byte("\x00\x00\x00\x18ftypheic and so on")
		heif = []byte("\x00\x00\x00\x18ftypmif1 and so on")
		webp = []byte("RIFF\x00\x00\x00\x00WEBPVP8 ")
		pdf  = []byte("%PDF-1.4 and so on")
		docx = []byte("PK\x03\x04\x00 and so on word/document.xml \x00")
		mp4  = []byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00isommp42")
	)
	for _, c := range []struct {
		declared, name string
		data           []byte
		want           string
	}{
		{"image/jpg", "", jpeg, "image/jpeg"},
		{"image/png", "", []byte("not really a picture"), "image/png"},
		{"image/png", "", heic, "image/heic"},
		{"", "", jpeg, "image/jpeg"},
		{"", "", png, "image/png"},
		{"", "", heif, "image/heif"},
		{"image/png", "", webp, "image/webp"},
		{"text/plain", "", png, "text/plain"},
		{"", "", mp4, "video/mp4"},
		{"", "photo.png", jpeg, "image/jpeg"},
		{"", "", pdf, "application/pdf"},
		{"application/pdf", "", []byte("?"), "application/pdf"},
		{"application/octet-stream", "table.csv", []byte("a,b"), "text/csv"},
		{"", "NOTES.MD", []byte("# x"), "text/md"},
		{"", "noname", []byte("plain words"), "text/plain"},
		{"", "", docx, extensions[".docx"]},
		{"", "x.docx", []byte("PK\x03\x04\x00"), extensions[".docx"]},
		{"", "", []byte("\x00\x01\x02\x03"), ""},
		{"audio/x-wav", "", []byte("RIFF\x00\x00\x00\x00WAVE"), "audio/wav"},
		{"", "a.m4a", []byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00"), "audio/m4a"},
		{"", "", []byte("ID3\x03"), "audio/mpeg"},
	} {
		if got := MediaType(c.declared, c.name, c.data); got != c.want {
			t.Errorf("declared %q, named %q, %q: %q, want %q", c.declared, c.name, c.data, got, c.want)
		}
	}
}
