package gemini

import (
	"bytes"
	"encoding/binary"
	"strings"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// MediaTokens is what media cost in a prompt, in tokens, by Google's documentation and recorded counts.
type MediaTokens struct {
	Picture int `json:"picture"` // of any size; 0 where it depends on that
	Tile    int `json:"tile"`    // of a picture, where it does
	Page    int `json:"page"`    // of a PDF
	Second  int `json:"second"`  // of a film, without its sound
}

const (
	soundPerSecond     = 32   // tokens, for every generation
	tokensPerReference = 1120 // of media of which nothing is known but where they are
)

// Where the length of media cannot be told from their first bytes, it is guessed from their size.
const (
	bytesPerPage          = 50_000
	soundBytesPerSecond   = 16_000
	filmBytesPerSecond    = 300_000
	otherMediaBytesPerTok = 4
)

// A picture that is small in both directions is one tile. Others are cut into squares, whose side depends on the shorter direction.
const (
	smallPicture = 384
	leastTile    = 256
	largestTile  = 768
	mostTiles    = 64
	// tilesOfUnknown is of a picture of which the size is unknown: of a photograph of 4 to 3.
	tilesOfUnknown = 4
)

// mediaTokens is about how many tokens one of a prompt's media is.
func (m *Model) mediaTokens(media *translate.Media) int {
	costs := &m.Generation.Media
	kind, _, _ := strings.Cut(media.MIME, "/")
	switch {
	case kind == "image":
		if costs.Picture > 0 {
			return costs.Picture
		}
		return costs.Tile * tiles(media.Data)
	case media.URI != "":
		return tokensPerReference
	case kind == "audio":
		return perSecond(soundPerSecond, soundDuration(media.Data), len(media.Data), soundBytesPerSecond)
	case kind == "video":
		return perSecond(soundPerSecond+costs.Second, boxedDuration(media.Data), len(media.Data), filmBytesPerSecond)
	case media.MIME == "application/pdf":
		return costs.Page * pages(media.Data)
	default:
		return len(media.Data) / otherMediaBytesPerTok
	}
}

// perSecond is the tokens of something that takes a while; of a size, when nobody knows how long.
func perSecond(tokens int, duration time.Duration, size, bytesPerSecond int) int {
	if duration <= 0 {
		return tokens * size / bytesPerSecond
	}
	return int(float64(tokens) * duration.Seconds())
}

func tiles(data []byte) int {
	width, height := pictureSize(data)
	if width <= 0 || height <= 0 {
		return tilesOfUnknown
	}
	if width <= smallPicture && height <= smallPicture {
		return 1
	}
	side := min(max(min(width, height)*2/3, leastTile), largestTile)
	return min((width+side-1)/side*((height+side-1)/side), mostTiles)
}

// pictureSize reads the size in pixels of a PNG, JPEG, GIF or WebP; 0 of others.
func pictureSize(data []byte) (width, height int) {
	big, little := binary.BigEndian, binary.LittleEndian
	switch {
	case len(data) >= 24 && string(data[1:4]) == "PNG":
		return int(big.Uint32(data[16:])), int(big.Uint32(data[20:]))
	case len(data) >= 10 && string(data[:3]) == "GIF":
		return int(little.Uint16(data[6:])), int(little.Uint16(data[8:]))
	case len(data) >= 30 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		return webPSize(data)
	case len(data) >= 4 && data[0] == 0xff && data[1] == 0xd8:
		return jpegSize(data)
	}
	return 0, 0
}

func webPSize(data []byte) (width, height int) {
	little := binary.LittleEndian
	switch string(data[12:16]) {
	case "VP8 ":
		return int(little.Uint16(data[26:])) & 0x3fff, int(little.Uint16(data[28:])) & 0x3fff
	case "VP8L":
		bits := little.Uint32(data[21:])
		return int(bits&0x3fff) + 1, int(bits>>14&0x3fff) + 1
	case "VP8X":
		uint24 := func(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }
		return uint24(data[24:]) + 1, uint24(data[27:]) + 1
	}
	return 0, 0
}

// jpegSize looks for the segment that begins the frame.
func jpegSize(data []byte) (width, height int) {
	for i := 2; i+9 <= len(data) && data[i] == 0xff; {
		marker := data[i+1]
		switch {
		case marker == 0xff: // filler
			i++
			continue
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
			return int(binary.BigEndian.Uint16(data[i+7:])), int(binary.BigEndian.Uint16(data[i+5:]))
		}
		i += 2 + int(binary.BigEndian.Uint16(data[i+2:]))
	}
	return 0, 0
}

// pages counts the pages of a PDF, as far as they are not within a compressed object.
func pages(data []byte) int {
	const page = "/Page"
	var n int
	for rest := data; ; {
		i := bytes.Index(rest, []byte(page))
		if i < 0 {
			break
		}
		after := rest[i+len(page):]
		if len(after) > 0 && (after[0] < 'a' || after[0] > 'z') && (after[0] < 'A' || after[0] > 'Z') &&
			bytes.HasSuffix(bytes.TrimRight(rest[max(0, i-16):i], " \r\n\t"), []byte("/Type")) {
			n++
		}
		rest = after
	}
	if n > 0 {
		return n
	}
	return 1 + len(data)/bytesPerPage
}

// soundDuration reads how long a WAV, an MP3 of a constant rate, or an MPEG-4 file plays; 0 for others.
func soundDuration(data []byte) time.Duration {
	switch {
	case len(data) >= 44 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WAVE":
		if rate := binary.LittleEndian.Uint32(data[28:]); rate > 0 {
			return time.Duration(len(data)) * time.Second / time.Duration(rate)
		}
		return 0
	case len(data) >= 8 && string(data[4:8]) == "ftyp":
		return boxedDuration(data)
	}
	return mp3Duration(data)
}

// mp3Rates are the bit rates of layer III, in kbit/s: of MPEG-1, and of MPEG-2 and 2.5.
var mp3Rates = [2][16]int{
	{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0},
	{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0},
}

// mp3Duration takes the rate of the first frame, which follows the tags, for that of all.
func mp3Duration(data []byte) time.Duration {
	if len(data) >= 10 && string(data[:3]) == "ID3" {
		size := int(data[6])<<21 | int(data[7])<<14 | int(data[8])<<7 | int(data[9])
		data = data[min(10+size, len(data)):]
	}
	if len(data) < 4 || data[0] != 0xff || data[1]&0xe6 != 0xe2 {
		return 0
	}
	table := 0
	if data[1]&0x18 != 0x18 {
		table = 1
	}
	rate := mp3Rates[table][data[2]>>4]
	if rate == 0 {
		return 0
	}
	return time.Duration(len(data)) * 8 * time.Millisecond / time.Duration(rate)
}

// boxedDuration reads how long an MPEG-4 or QuickTime file plays, from its movie header; 0 for others.
func boxedDuration(data []byte) time.Duration {
	movie := box(data, "moov")
	header := box(movie, "mvhd")
	var scale, length uint64
	switch {
	case len(header) >= 32 && header[0] == 1:
		scale, length = uint64(binary.BigEndian.Uint32(header[20:])), binary.BigEndian.Uint64(header[24:])
	case len(header) >= 20:
		scale, length = uint64(binary.BigEndian.Uint32(header[12:])), uint64(binary.BigEndian.Uint32(header[16:]))
	}
	const longest = 24 * time.Hour // what is longer is no length
	if scale == 0 || length/scale >= uint64(longest/time.Second) {
		return 0
	}
	return time.Duration(float64(length) / float64(scale) * float64(time.Second))
}

// box is the content of the first box of a kind in a sequence of them; nil for none.
func box(data []byte, kind string) []byte {
	for len(data) >= 8 {
		size, header := uint64(binary.BigEndian.Uint32(data)), 8
		if size == 1 && len(data) >= 16 {
			size, header = binary.BigEndian.Uint64(data[8:]), 16
		}
		if size == 0 || size > uint64(len(data)) { // up to the end, or cut off
			size = uint64(len(data))
		}
		if size < uint64(header) {
			return nil
		}
		if string(data[4:8]) == kind {
			return data[header:size]
		}
		data = data[size:]
	}
	return nil
}
