package bench

import (
	"fmt"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
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

const barWidth = 26

// chart draws groups of bars side by side into an SVG file.
func chart(file, title, unit string, places []string, groups []bars) error {
	plot.DefaultFont.Variant = "Sans"
	p := plot.New()
	p.BackgroundColor = color.White
	p.Title.Text, p.Y.Label.Text = title, unit
	p.Title.TextStyle.Font.Size, p.Title.Padding = vg.Points(15), vg.Points(10)
	p.Y.Min = 0
	p.Legend.Top, p.Legend.Left = true, true
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
	if err := p.Save(vg.Points(720), vg.Points(380), file); err != nil {
		return fmt.Errorf("draw %s: %w", file, err)
	}
	return nil
}

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
		notes.TextStyle[i].Font.Size = vg.Points(9)
	}
	notes.Offset.X, notes.Offset.Y = shift, vg.Points(3)
	p.Add(notes)
	return nil
}
