package main

import (
	"bytes"
	"fmt"
)

// The picture is three groups of bars, encode, decode and size, of the typical
// order: short is good. It is an SVG that needs nothing else, in the lab's
// colours for light and dark screens; chart libraries draw for one of the two.
//
// It is as wide as a page shows it: a picture that is scaled down to 700 pixels
// has letters that nobody reads.
const (
	width = 700.0
	left  = 112.0
	group = (width - left - 4) / 3
	long  = group - 110 // of the longest bar: behind it stands a text
	row   = 26.0
	top   = 84.0
)

const styles = `<style>
svg{background:#fff;font-family:system-ui,sans-serif}
text{fill:#1f2328;font-size:14px}
.title{font-size:18px;font-weight:600}.small{font-size:13px;fill:#59636e}
.name{text-anchor:end}.encode{fill:#0969da}.decode{fill:#1a7f37}.size{fill:#bf8700}
.reference{opacity:.45}
@media (prefers-color-scheme:dark){
svg{background:#0d1117}text{fill:#f0f6fc}.small{fill:#9198a1}
.encode{fill:#4493f8}.decode{fill:#3fb950}.size{fill:#d29922}}
</style>
`

func draw(r results) []byte {
	const title = "One order of five items in bytes and back: shorter is better"
	var b bytes.Buffer
	height := top + row*float64(len(r.codecs)) + 36
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "+
		"role=\"img\" aria-label=\"%s\">\n%s", width, height, title, styles)
	text(&b, 8, 30, "title", title)
	for i, codec := range r.codecs {
		text(&b, left-8, top+row*float64(i)+18, "name", labels[codec])
	}
	for g, column := range []struct {
		class, unit string
		value       func(figures) float64
	}{
		{"encode", "encode, nanoseconds", func(f figures) float64 { return f.encode }},
		{"decode", "decode, nanoseconds", func(f figures) float64 { return f.decode }},
		{"size", "size, bytes", func(f figures) float64 { return f.bytes }},
	} {
		x := left + group*float64(g)
		text(&b, x, top-14, "", column.unit)
		bars(&b, r, x, column.class, column.value)
	}
	text(&b, 8, height-12, "small",
		"% of encoding/json (pale) in the same run. go run ./bench draws it anew.")
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func bars(b *bytes.Buffer, r results, x float64, class string, value func(figures) float64) {
	typical := r.of["typical"]
	longest := 0.0
	for _, codec := range r.codecs {
		longest = max(longest, value(typical[codec]))
	}
	for i, codec := range r.codecs {
		v := value(typical[codec])
		y := top + row*float64(i)
		wide := v / longest * long
		faded := ""
		if codec == reference {
			faded = " reference"
		}
		fmt.Fprintf(b, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.0f\" class=\"%s%s\"/>\n",
			x, y+4, wide, row-8, class, faded)
		text(b, x+wide+5, y+18, "small",
			fmt.Sprintf("%.0f · %.0f %%", v, 100*v/value(typical[reference])))
	}
}

func text(b *bytes.Buffer, x, y float64, class, s string) {
	fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">%s</text>\n", x, y, class, s)
}
