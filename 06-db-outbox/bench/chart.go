package bench

import (
	"bytes"
	"fmt"
	"image/color"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
)

// bars is one group of bars of a picture: a name, and a value for each place.
type bars struct {
	name   string
	values []float64
	notes  []string // above the bars
}

// Colours that differ for a colour-blind eye, too (Okabe and Ito).
var palette = []color.Color{
	color.RGBA{R: 213, G: 94, A: 255}, color.RGBA{R: 150, G: 150, B: 150, A: 255},
	color.RGBA{G: 114, B: 178, A: 255}, color.RGBA{G: 158, B: 115, A: 255},
}

const (
	barWidth = 36
	noteSize = 12 // so small, and no smaller, where the picture is 700 pixels wide
)

// chart draws groups of bars side by side into an SVG file.
func chart(file, title, unit string, places []string, groups []bars) error {
	plot.DefaultFont.Variant = "Sans"
	p := plot.New()
	p.BackgroundColor = color.White
	p.Title.Text, p.Y.Label.Text = title, unit
	p.Title.TextStyle.Font.Size, p.Title.Padding = vg.Points(16), vg.Points(12)
	p.Y.Min = 0
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.Padding = vg.Points(4) // or the names are printed over each other
	for _, small := range []*text.Style{
		&p.Legend.TextStyle, &p.Y.Label.TextStyle, &p.Y.Tick.Label, &p.X.Tick.Label,
	} {
		small.Font.Size = vg.Points(noteSize)
	}
	p.Add(plotter.NewGrid())
	highest := 0.0
	for i, g := range groups {
		bar, err := plotter.NewBarChart(plotter.Values(g.values), vg.Points(barWidth))
		if err != nil {
			return fmt.Errorf("draw %s: %w", g.name, err)
		}
		shift := vg.Points((float64(i) - float64(len(groups)-1)/2) * (barWidth + 3))
		bar.Color, bar.LineStyle.Width = palette[i%len(palette)], 0
		bar.Offset = shift
		p.Add(bar)
		p.Legend.Add(g.name, bar)
		if err := annotate(p, g, shift); err != nil {
			return err
		}
		for _, v := range g.values {
			highest = max(highest, v)
		}
	}
	p.Y.Max = highest * 1.12 // room for the notes
	p.NominalX(places...)
	p.X.Min, p.X.Max = -0.5, float64(len(places))-0.5 // or half of the last group is cut off
	return save(p, file)
}

// save writes the picture with the colours of dark screens beside those of light ones.
func save(p *plot.Plot, file string) error {
	picture, err := p.WriterTo(vg.Points(720), vg.Points(380), "svg")
	if err != nil {
		return fmt.Errorf("draw %s: %w", file, err)
	}
	var b bytes.Buffer
	if _, err := picture.WriteTo(&b); err != nil {
		return fmt.Errorf("draw %s: %w", file, err)
	}
	svg := bytes.Replace(b.Bytes(), []byte("<g "), []byte(styles+"<g "), 1)
	if err := os.WriteFile(file, svg, 0o644); err != nil {
		return fmt.Errorf("draw %s: %w", file, err)
	}
	return nil
}

// styles find the colours that gonum has written into each part of the picture.
const styles = `<style>@media (prefers-color-scheme:dark){
text{fill:#f0f6fc}
[style*="fill:#FFFFFF"]{fill:#0d1117!important}
[style*="stroke:#000000"]{stroke:#9198a1!important}
[style*="stroke:#808080"]{stroke:#3d444d!important}
}</style>
`

func annotate(p *plot.Plot, g bars, shift vg.Length) error {
	var at plotter.XYs
	for x, y := range g.values {
		at = append(at, plotter.XY{X: float64(x), Y: y})
	}
	notes, err := plotter.NewLabels(plotter.XYLabels{XYs: at, Labels: g.notes})
	if err != nil {
		return fmt.Errorf("write the notes of %s: %w", g.name, err)
	}
	for i := range notes.TextStyle {
		notes.TextStyle[i].XAlign = -0.5
		notes.TextStyle[i].Font.Size = vg.Points(noteSize)
	}
	notes.Offset.X, notes.Offset.Y = shift, vg.Points(3)
	p.Add(notes)
	return nil
}
