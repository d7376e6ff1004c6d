package score

import (
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"

	"course.example/lab/internal/draw"
)

//go:embed page.html
var pageHTML string

// together keeps a number and its unit on one line, and drops the marks of Markdown.
var together = strings.NewReplacer("**", "", " ms", "\u00a0ms", " s", "\u00a0s",
	" %", "\u00a0%", " lost", "\u00a0lost", " twice", "\u00a0twice", " ±", "\u00a0±")

type pageData struct {
	*Report
	Columns, Odd                      []string
	Cells                             [][]string
	Notes                             []string
	Cost, Throughput, Latency, Depths template.HTML
	Strips                            []pageStrips
	Spreads                           []pageSpread
}

type pageStrips struct {
	Name   string
	Strips []pageStrip
}

type pageStrip struct {
	Name    string
	Picture template.URL
}

type pageSpread struct {
	Name string
	All  []string
}

// HTML writes the report as one page that needs nothing else: no script, no font, no
// network. Its pictures are for light and dark screens.
func (r *Report) HTML(w io.Writer) error {
	data := pageData{Report: r, Notes: r.notes()}
	for _, o := range r.Oddities() {
		data.Odd = append(data.Odd, o.sentence())
	}
	for to, chart := range map[*template.HTML]func() (string, error){
		&data.Cost: r.CostChart, &data.Throughput: r.ThroughputChart,
		&data.Latency: r.LatencyChart, &data.Depths: r.DepthCharts,
	} {
		picture, err := chart()
		if err != nil {
			return err
		}
		*to = template.HTML(picture) // every text in it is escaped
	}
	for _, c := range columns() {
		data.Columns = append(data.Columns, c.name)
	}
	for _, row := range r.Rows {
		var cells []string
		for _, text := range r.cells(row) {
			cells = append(cells, together.Replace(text))
		}
		data.Cells = append(data.Cells, cells)
		data.Spreads = append(data.Spreads, pageSpread{row.Name(), row.spreads()})
		strips, err := row.pictures()
		if err != nil {
			return err
		}
		if len(strips) > 0 {
			data.Strips = append(data.Strips, pageStrips{row.Name(), strips})
		}
	}
	page, err := template.New("score").Parse(pageHTML)
	if err != nil {
		return fmt.Errorf("the page's template: %w", err)
	}
	if err := page.Execute(w, data); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// pictures are the time lines of the fault runs, as `lab break` draws them.
func (r Row) pictures() ([]pageStrip, error) {
	var all []pageStrip
	add := func(strip *Strip, name, caption string) error {
		if strip == nil {
			return nil
		}
		picture, err := strip.picture(r.Name()+": "+name, caption)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", r.Name(), name, err)
		}
		all = append(all, pageStrip{name, picture})
		return nil
	}
	for _, f := range r.Faults {
		for i, strip := range f.Strips {
			name := f.Act
			if len(f.Strips) > 1 {
				name = fmt.Sprintf("%s, run %d of %d", f.Act, i+1, len(f.Strips))
			}
			if err := add(strip, name, f.cost()); err != nil {
				return nil, err
			}
		}
	}
	for _, h := range r.Halves {
		if err := add(h.Strip, "one of two: "+h.Kind, h.text()); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// picture is an image of its own, because each brings its own styles.
func (s *Strip) picture(title, caption string) (template.URL, error) {
	history, err := s.History()
	if err != nil {
		return "", err
	}
	captions := []string{caption}
	if s.OneIn > 1 {
		captions = append(captions, fmt.Sprintf("drawn is one in %d of the orders that were neither "+
			"lost nor done twice", s.OneIn))
	}
	var svg strings.Builder
	if err := draw.Run(&svg, history, title, captions); err != nil {
		return "", err
	}
	return template.URL("data:image/svg+xml;base64," +
		base64.StdEncoding.EncodeToString([]byte(svg.String()))), nil
}
