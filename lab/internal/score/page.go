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

type pageData struct {
	*Report
	Columns                   []string
	Cells                     [][]string
	Notes                     []string
	Cost, Throughput, Latency template.HTML
	Strips                    []pageStrips
	Spreads                   []pageSpread
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
	// The charts are ours, and every text in them is escaped.
	data.Cost = template.HTML(r.CostChart())
	data.Throughput = template.HTML(r.ThroughputChart())
	data.Latency = template.HTML(r.LatencyChart())
	for _, c := range columns() {
		data.Columns = append(data.Columns, c.name)
	}
	for _, row := range r.Rows {
		var cells []string
		for _, c := range columns() {
			cells = append(cells, strings.ReplaceAll(c.cell(row), "**", ""))
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

// pictures are the time lines of the fault runs, as `lab break` draws them. Each is an
// image of its own, because each brings its own styles.
func (r Row) pictures() ([]pageStrip, error) {
	var all []pageStrip
	for _, f := range r.Faults {
		if f.Strip == nil {
			continue
		}
		history, err := f.Strip.History()
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", r.Name(), f.Act, err)
		}
		var svg strings.Builder
		title := r.Name() + ": " + f.Act
		if err := draw.Run(&svg, history, title, []string{f.cost()}); err != nil {
			return nil, err
		}
		all = append(all, pageStrip{f.Act, template.URL("data:image/svg+xml;base64," +
			base64.StdEncoding.EncodeToString([]byte(svg.String())))})
	}
	return all, nil
}
