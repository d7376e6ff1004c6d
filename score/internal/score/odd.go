package score

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"course.example/lab/internal/manifest"
)

// Oddity is a figure that a reader stumbles over.
type Oddity struct {
	Row, Column string
	What        string // is odd about it
	Why         string // the sentence of the manifest; empty while nobody has written one
}

// tenfold is how much slower than its neighbour in the table a figure is odd.
const tenfold = 10

// Oddities are the figures that are more than all, or less than half of it, that fall where
// they ought to rise, or that are ten times as slow as in the row above or below.
func (r *Report) Oddities() []Oddity {
	var all []Oddity
	for i, row := range r.Rows {
		for _, c := range append(columns(), depthColumn) {
			if c.slow != nil {
				if what := r.slower(i, c); what != "" {
					all = append(all, Oddity{row.Name(), c.key, what, row.Odd[c.key]})
				}
			}
			if c.odd != nil {
				what, why := c.odd(row)
				if why == "" {
					why = row.Odd[c.key]
				}
				if what != "" {
					all = append(all, Oddity{row.Name(), c.key, what, why})
				}
			}
		}
	}
	return all
}

// slower compares a row with its neighbours: the nearest in either direction that have
// this figure.
func (r *Report) slower(i int, c column) string {
	mine := c.slow(r.Rows[i])
	if mine <= 0 {
		return ""
	}
	for _, step := range []int{-1, 1} {
		for j := i + step; j >= 0 && j < len(r.Rows); j += step {
			other := c.slow(r.Rows[j])
			if other <= 0 {
				continue
			}
			if mine >= tenfold*other {
				return fmt.Sprintf("%.0f times as slow as %s", mine/other, r.Rows[j].Name())
			}
			break
		}
	}
	return ""
}

// depthColumn is the table of waiting orders, which has a row for some architectures.
var depthColumn = column{key: "waiting", slow: Row.slowestDepth, odd: Row.oddDepths}

// slowestDepth is the time for an order with the most orders waiting.
func (r Row) slowestDepth() float64 {
	if n := len(r.Depths); n > 0 && r.Depths[n-1].Rate.Value > 0 {
		return 1 / r.Depths[n-1].Rate.Value
	}
	return 0
}

// oddDepths says when a shop does less than half as much because more orders wait.
func (r Row) oddDepths() (what, why string) {
	for i, d := range r.Depths {
		if i > 0 && d.Rate.Value < r.Depths[i-1].Rate.Value/2 {
			return fmt.Sprintf("less than half as many with %s waiting as with %s",
				number(float64(d.Waiting)), number(float64(r.Depths[i-1].Waiting))), ""
		}
	}
	return "", ""
}

// tooLittle is the share of what so many consumers could do that is odd to miss.
const tooLittle = 0.5

// small is by how much more than all is due to what one consumer has left undone.
const small = 0.05

// oddScale says what is odd about the speed-ups of a row.
func (r Row) oddScale() (what, why string) {
	for i, p := range r.Scale.Points {
		if i > 0 && p.Rate.Value < r.Scale.Points[i-1].Rate.Value {
			return fmt.Sprintf("%d consumers do less than %d", p.Consumers, p.Consumers/2), ""
		}
	}
	for _, p := range r.Scale.Points {
		if p.Efficiency < tooLittle {
			return fmt.Sprintf("%d do less than half of %d times as much", p.Consumers, p.Consumers), ""
		}
		if 100*p.Efficiency < 100.5 {
			continue
		}
		what = fmt.Sprintf("%.0f %% of %d times as much", 100*p.Efficiency, p.Consumers)
		one, all := r.Scale.Points[0].Rate, float64(p.Consumers)
		switch most := 1000 / r.Scale.WorkMS; {
		case p.Rate.Low <= all*one.High:
			why = "the runs differ by more than what is too much."
		case p.Efficiency < 1+small && p.Rate.Value <= all*most:
			why = fmt.Sprintf("one consumer did %s of the %s orders a second that its worker can do.",
				number(one.Value), number(most))
		}
		return what, why
	}
	return "", ""
}

// Explain takes the sentences for what is odd from the manifests below root: they may be
// written after it was measured.
func (r *Report) Explain(root string) error {
	for i, row := range r.Rows {
		step, err := manifest.Read(filepath.Join(root, row.Step))
		if err != nil {
			return err
		}
		r.Rows[i].Odd = step.Scoring().Odd
		if err := knownColumns(step); err != nil {
			return err
		}
	}
	return nil
}

func knownColumns(step *manifest.Step) error {
	var keys []string
	for _, c := range append(columns(), depthColumn) {
		if c.slow != nil || c.odd != nil {
			keys = append(keys, c.key)
		}
	}
	for key := range step.Scoring().Odd {
		if !slices.Contains(keys, key) {
			return fmt.Errorf("%s: score: odd: there is no column %q; there are %s",
				step.Name, key, strings.Join(keys, ", "))
		}
	}
	return nil
}

// unexplained stands where a sentence is missing.
const unexplained = "nobody has explained it yet."

// sentence is what stands below the table.
func (o Oddity) sentence() string {
	why := o.Why
	if why == "" {
		why = unexplained
	}
	return fmt.Sprintf("%s, %s: %s; %s", o.Row, o.Column, o.What, why)
}

// superscript marks the cell that the n-th sentence belongs to.
func superscript(n int) string {
	digits := []rune("⁰¹²³⁴⁵⁶⁷⁸⁹")
	if n < 10 {
		return string(digits[n])
	}
	return superscript(n/10) + string(digits[n%10])
}

// cells are the texts of a row, each with the numbers of its sentences.
func (r *Report) cells(row Row) []string {
	var cells []string
	for _, c := range columns() {
		cells = append(cells, c.cell(row)+r.marks(row, c))
	}
	return cells
}

// marks are the numbers of the sentences for a figure.
func (r *Report) marks(row Row, c column) string {
	text := ""
	for n, o := range r.Oddities() {
		if o.Row == row.Name() && o.Column == c.key {
			text += " " + superscript(n+1)
		}
	}
	return text
}
