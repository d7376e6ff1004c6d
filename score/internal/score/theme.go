package score

import (
	"fmt"
	"strings"

	"gonum.org/v1/plot/vg/draw"
)

// rgb is a colour of a picture, as it is written in SVG: #0072B2. It implements
// [image/color.Color].
type rgb string

// RGBA returns the colour with its opacity applied.
func (c rgb) RGBA() (r, g, b, a uint32) {
	if _, err := fmt.Sscanf(string(c), "#%02X%02X%02X", &r, &g, &b); err != nil {
		return 0, 0, 0, 0xffff // black: a colour that is misspelt is seen
	}
	return r * 0x101, g * 0x101, b * 0x101, 0xffff
}

// faint is the lighter neighbour of a colour of the palette.
func (c rgb) faint() rgb {
	for _, p := range palette {
		if p.light == c {
			return p.soft
		}
	}
	return c
}

const (
	white       rgb = "#FFFFFF"
	gridColour  rgb = "#D1D9E0"
	faintColour rgb = "#6E7781"
)

// palette has colours that differ for a colour-blind eye, too (Okabe and Ito, "Color
// Universal Design"), each with the one that takes its place on a dark screen.
var palette = []struct{ light, dark, soft, softDark rgb }{
	{"#0072B2", "#56B4E9", "#99C7E0", "#225A7D"}, // blue
	{"#D55E00", "#F08A3C", "#EEBF99", "#7A4018"}, // vermillion
	{"#009E73", "#2CC295", "#99D8C7", "#155F4A"}, // bluish green
	{"#CC79A7", "#DE9BC2", "#EBC9DC", "#6F4A60"}, // reddish purple
	{"#B8860B", "#E6B422", "#E3CF9D", "#735A11"}, // a yellow that shows on white
	{"#56748F", "#9DB4C8", "#BBC7D2", "#4E5A64"}, // slate
}

func colour(i int) rgb { return palette[i%len(palette)].light }

// shape is the mark of the i-th line: who does not see the colour sees the shape.
func shape(i int) draw.GlyphDrawer {
	shapes := []draw.GlyphDrawer{
		draw.CircleGlyph{}, draw.PyramidGlyph{}, draw.BoxGlyph{}, draw.RingGlyph{},
		draw.TriangleGlyph{}, draw.SquareGlyph{}, draw.CrossGlyph{},
	}
	return shapes[i%len(shapes)]
}

// theme are the styles that change a picture's colours on a dark screen. gonum draws with
// fixed colours, and by these the styles find what to change.
func theme() string {
	var b strings.Builder
	b.WriteString("<style>.sc text{fill:#1F2328}@media (prefers-color-scheme:dark){\n" +
		".sc text{fill:#F0F6FC}\n")
	change := func(light, dark rgb) {
		fmt.Fprintf(&b, `.sc [style*="fill:%s"]{fill:%s!important}`+
			`.sc [style*="stroke:%s"]{stroke:%s!important}`+"\n", light, dark, light, dark)
	}
	change(white, "#0D1117")
	change(gridColour, "#3D444D")
	change(faintColour, "#9198A1")
	for _, p := range palette {
		change(p.light, p.dark)
		change(p.soft, p.softDark)
	}
	b.WriteString("}</style>\n")
	return b.String()
}
