package score

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"course.example/lab/internal/manifest"
)

// Between these two lines of a page stands what [Publish] has written.
const (
	beginMark = "<!-- score: written by go run ./score -publish -->"
	endMark   = "<!-- /score -->"
)

// ErrNoPlace says that a page has no place for the score.
var ErrNoPlace = errors.New("the page has no lines " + beginMark + " and " + endMark)

// ErrOldProtocol says that the figures were measured otherwise than the pages would tell.
var ErrOldProtocol = errors.New("these figures were measured by another protocol than today's: " +
	"make score measures anew")

// Place puts text between the marks of a page.
func Place(page, text string) (string, error) {
	before, rest, ok := strings.Cut(page, beginMark+"\n")
	_, after, ended := strings.Cut(rest, endMark)
	if !ok || !ended {
		return "", ErrNoPlace
	}
	return before + beginMark + "\n" + text + endMark + after, nil
}

// Pages are all pages that tell of a report, by path from the root, each as it must
// be: the front page with the table, and the page of every architecture.
func (r *Report) Pages(root string) (map[string]string, error) {
	if r.Protocol != Protocol {
		return nil, ErrOldProtocol
	}
	pages := map[string]string{}
	put := func(name, text string) error {
		raw, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		page, err := Place(string(raw), text)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		pages[name] = page
		return nil
	}
	if err := put("README.md", r.FrontPage()); err != nil {
		return nil, err
	}
	for _, row := range r.Rows {
		if row.Variant != "right" {
			continue
		}
		if err := put(path.Join(row.Step, figuresPage(root, row.Step)), row.Paragraph(r)); err != nil {
			return nil, err
		}
	}
	cost, err := r.CostChart()
	if err != nil {
		return nil, err
	}
	if cost != "" {
		pages["score/cost.svg"] = cost
	}
	return pages, nil
}

// figuresPage is the page of a step on which all its figures stand: MEASUREMENTS.md, or the README
// where a step has nothing else yet.
func figuresPage(root, step string) string {
	const page = "MEASUREMENTS.md"
	if _, err := os.Stat(filepath.Join(root, step, page)); err != nil {
		return "README.md"
	}
	return page
}

// Missing are the measurements that a whole report of the steps below root has and this
// one has not, with the architecture that they are missing of.
func (r *Report) Missing(root string) ([]string, error) {
	names, err := manifest.Find(root)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, name := range names {
		step, err := manifest.LoadStep(root, name)
		if err != nil {
			return nil, err
		}
		if step.Score == nil {
			continue
		}
		row, ok := r.Row(step.Name)
		if !ok {
			missing = append(missing, step.Name)
			continue
		}
		for what, has := range map[string]bool{
			"latency":        row.Latency.Answer50.Runs > 0,
			"sustained rate": row.Sustained.Rate.Runs > 0,
			"scalability":    len(row.Scale.Points) == len(consumers) || row.Scale.Without != "",
			"resilience":     len(row.Faults) > 0,
			"redundancy":     len(row.Halves)+len(row.Single) > 0,
			"waiting orders": len(row.Depths) == len(wholePace.depths) || step.Score.Backlog == nil,
		} {
			if !has {
				missing = append(missing, step.Name+": "+what)
			}
		}
	}
	slices.Sort(missing)
	return missing, nil
}

// Publish writes the pages.
func (r *Report) Publish(root string) error {
	pages, err := r.Pages(root)
	if err != nil {
		return err
	}
	for name, page := range pages {
		if err := os.WriteFile(filepath.Join(root, name), []byte(page), 0o644); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// FrontPage is what the README of the whole says.
func (r *Report) FrontPage() string {
	var b strings.Builder
	b.WriteString("\n" + r.Table() + "\n")
	if odd := r.Stumbles(); odd != "" {
		b.WriteString(odd + "\n")
	}
	b.WriteString("![What it costs to be safe: the rate that each architecture sustains " +
		"against the time to an answer, and what a kill -9 loses](score/cost.svg)\n\n")
	if depths := r.DepthTable(); depths != "" {
		b.WriteString("How cost grows while orders wait: processed a second, and the time to an " +
			"answer (p99).\n\n" + depths + "\n")
	}
	b.WriteString("<details><summary>How it was measured</summary>\n\n")
	for _, note := range r.notes() {
		b.WriteString("- " + strings.TrimSpace(note) + "\n")
	}
	b.WriteString("\n</details>\n\n")
	return b.String()
}

// Paragraph is what the page of one architecture says, under its four questions.
func (r Row) Paragraph(report *Report) string {
	l := r.Latency
	lines := []string{"\n*By the same protocol as the other architectures* (`make score ARGS=" +
		stepNumber(r.Step) + "`, " + r.Measured.Format("2006-01-02") +
		", [all of them](../README.md#the-four-questions-measured)):"}
	if l.Answer50.Runs > 0 {
		lines = append(lines, fmt.Sprintf("- **Performance.** An answer takes %s ms (p99 %s ms), "+
			"and the order is done after %s ms (p99 %s ms), of which %.0f ms are the work. "+
			"Sustained without work: %s orders a second.",
			l.Answer50.Spread(), l.Answer99.Spread(), l.Processed50.Spread(),
			l.Processed99.Spread(), l.WorkMS, strings.TrimSuffix(r.sustains(), "/s")))
	}
	if len(r.Scale.Points) > 1 {
		text := fmt.Sprintf("- **Scalability.** 2, 4 and 8 consumers: %s.", r.speedUps())
		if r.Scale.Join.Runs > 0 {
			text += fmt.Sprintf(" A new one has its first order %s after it was asked for.",
				seconds(r.Scale.Join))
		}
		lines = append(lines, text)
	}
	if r.Scale.Without != "" {
		lines = append(lines, "- **Scalability.** Not measured: "+r.Scale.Without+".")
	}
	var costs []string
	fewest := math.Inf(1)
	for _, f := range r.Faults {
		costs = append(costs, fmt.Sprintf("%s: %s", f.Act, f.cost()))
		fewest = min(fewest, f.Waiting.Low)
	}
	if len(costs) > 0 {
		lines = append(lines, fmt.Sprintf("- **Resilience.** (lost, done twice, longest silence, "+
			"while %s orders or more waited) %s.", number(fewest), strings.Join(costs, "; ")))
	}
	var halves []string
	for _, h := range r.Halves {
		halves = append(halves, h.text())
	}
	for _, name := range slices.Sorted(maps.Keys(r.Single)) {
		halves = append(halves, fmt.Sprintf("%s: none, because %s", name, r.Single[name]))
	}
	if len(halves) > 0 {
		lines = append(lines, "- **Redundancy.** "+strings.Join(halves, "; ")+".")
	}
	for _, o := range report.Oddities() {
		if o.Row == r.Name() {
			lines = append(lines, "- **To notice.** "+o.sentence())
		}
	}
	for _, d := range r.Depths {
		if d.Waiting == 0 {
			lines = append(lines, "- **With a queue.** "+r.depthText()+".")
		}
	}
	return strings.Join(lines[:1], "") + "\n\n" + strings.Join(lines[1:], "\n") + "\n\n"
}

func (h Half) text() string {
	who := fmt.Sprintf("one of two %ss", h.Kind)
	if h.Servers > 0 {
		who = fmt.Sprintf("one of %d servers of %s", h.Servers, h.Kind)
	}
	text := fmt.Sprintf("%s killed while %s orders waited: %s answered, %s processed",
		who, h.Waiting, percent(h.Answered.Value), percent(h.Processed.Value))
	if h.Lost.Value > 0 {
		text += fmt.Sprintf(", **%.0f lost**", h.Lost.Value)
	}
	return text
}

func (r Row) depthText() string {
	var parts []string
	for _, d := range r.Depths {
		parts = append(parts, fmt.Sprintf("%s waiting: %s/s, an answer within %s ms (p99)",
			number(float64(d.Waiting)), d.Rate, d.Answer99))
	}
	return strings.Join(parts, "; ")
}

func stepNumber(step string) string {
	number, _, _ := strings.Cut(step, "-")
	return number
}
