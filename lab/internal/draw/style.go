package draw

import (
	"strings"
	"unicode/utf8"
)

// The colours are told apart by people who do not see red and green as others
// do: the marks differ in place and form besides.
const styles = `<style>
svg{background:#fff;font-family:system-ui,sans-serif}
text{fill:#1f2328;font-size:14px}
.title{font-size:18px;font-weight:600}.small,.note{font-size:13px;fill:#59636e}
.name{text-anchor:end}.tick{text-anchor:middle}.axis{stroke:#d1d9e0;stroke-width:1}
.life{stroke:#d1d9e0;stroke-width:22;stroke-linecap:butt}
.accepted,.received,.processed,.duplicated,.failed,.refused,.lost,.ghosts,.contradictions,
.reused{fill:none;stroke-width:1.4}
.accepted{stroke:#0969da}.received{stroke:#8c959f}.processed{stroke:#1a7f37}
.duplicated,.reused{stroke:#bc4c00;stroke-width:3}
.failed{stroke:#8250df;stroke-width:2.4}.contradictions{stroke:#bf3989;stroke-width:3}
.ghosts{stroke:#0a7b83;stroke-width:2.4}
.refused{stroke:#bf8700}.lost{stroke:#cf222e;stroke-width:2.4}
.backlog{fill:#54aeff;fill-opacity:.45;stroke:#0969da;stroke-width:1}
.gone{fill:#cf222e;fill-opacity:.45;stroke:#cf222e;stroke-width:1}.gonename{fill:#cf222e}
.fault{stroke:#cf222e;stroke-width:1.6}.faultname{fill:#cf222e;font-weight:600}
.mend{stroke:#59636e;stroke-width:1.2;stroke-dasharray:5 4}.mendname{fill:#59636e}
.faultname,.mendname,.gonename{font-size:13px}
.faultname,.mendname{paint-order:stroke;stroke:#fff;stroke-width:4px;stroke-linejoin:round}
@media (prefers-color-scheme:dark){
svg{background:#0d1117}text{fill:#f0f6fc}.small,.note,.mendname{fill:#9198a1}
.axis,.life{stroke:#3d444d}.mend{stroke:#9198a1}
.accepted{stroke:#4493f8}.received{stroke:#7d8590}.processed{stroke:#3fb950}
.duplicated,.reused{stroke:#f0883e}.failed{stroke:#ab7df8}.refused{stroke:#d29922}
.ghosts{stroke:#39c5cf}.contradictions{stroke:#f778ba}
.lost,.fault{stroke:#f85149}.faultname,.gonename{fill:#f85149}
.faultname,.mendname{stroke:#0d1117}
.backlog{fill:#1f6feb;stroke:#4493f8}.gone{fill:#f85149;stroke:#f85149}}
</style>
`

// font is the width of a usual character. Which font a reader has is not known; the
// widths are those of wide ones.
type font float64

func plain(size float64) font { return font(0.56 * size) }
func bold(size float64) font  { return font(0.6 * size) }

func (f font) width(text string) float64 {
	return float64(f) * float64(utf8.RuneCountInString(text))
}

// wrap breaks text into lines of at most that width, between words.
func wrap(text string, most float64, f font) []string {
	lines := []string{""}
	for word := range strings.FieldsSeq(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case f.width(*last+" "+word) <= most:
			*last += " " + word
		default:
			lines = append(lines, word)
		}
	}
	return lines
}

// clip shortens a name to a width, in its middle: names that begin alike differ at the end.
func clip(text string, most float64, f font) string {
	runes := []rune(text)
	n := int(most / float64(f))
	if len(runes) <= n {
		return text
	}
	tail := n / 2
	return string(runes[:n-1-tail]) + "…" + string(runes[len(runes)-tail:])
}

// printable leaves out what XML does not allow.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0xfffe || r == 0xffff {
			return '·'
		}
		return r
	}, strings.ToValidUTF8(text, "·"))
}
