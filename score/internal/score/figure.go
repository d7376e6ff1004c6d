package score

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Figure is one measured value: the median of its runs, and how far they lie apart.
type Figure struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	Runs  int     `json:"runs"`
	// Noisy says that the runs lie so far apart, or that the machine gave the
	// measurement so little of itself, that the value is a hint at best.
	Noisy bool `json:"noisy,omitempty"`
	// Again says that the first runs lay too far apart, and that others took their place
	// or, where these did not agree either, joined them.
	Again bool `json:"again,omitempty"`
}

// A figure is noisy when its runs lie further apart than this share of the median,
// unless the distance is nothing that anybody would notice.
const noisyShare = 0.15

func figure(runs []float64, negligible float64) Figure {
	if len(runs) == 0 {
		return Figure{}
	}
	sorted := slices.Sorted(slices.Values(runs))
	f := Figure{Low: sorted[0], High: sorted[len(sorted)-1], Runs: len(runs)}
	f.Value = sorted[len(sorted)/2]
	if len(sorted)%2 == 0 {
		f.Value = (f.Value + sorted[len(sorted)/2-1]) / 2
	}
	f.Noisy = f.High-f.Low > max(noisyShare*math.Abs(f.Value), negligible)
	return f.rounded()
}

// repeat takes n runs of a measurement of several values, and makes a figure of each. When
// the runs of one lie too far apart it takes n more. They take the place of the first when
// they agree; when they do not, all of them count, and the figure stays marked.
func repeat(
	n int, negligible []float64, run func() ([]float64, error),
) ([]Figure, error) {
	values := make([][]float64, len(negligible))
	take := func() error {
		for range n {
			one, err := run()
			if err != nil {
				return err
			}
			for i, v := range one {
				values[i] = append(values[i], v)
			}
		}
		return nil
	}
	if err := take(); err != nil {
		return nil, err
	}
	figures, again := make([]Figure, len(values)), false
	for i := range values {
		figures[i] = figure(values[i], negligible[i])
		again = again || figures[i].Noisy
	}
	if !again {
		return figures, nil
	}
	if err := take(); err != nil {
		return nil, err
	}
	for i, f := range figures {
		if !f.Noisy {
			continue
		}
		if figures[i] = figure(values[i][n:], negligible[i]); figures[i].Noisy {
			figures[i] = figure(values[i], negligible[i])
			figures[i].Noisy = true
		}
		figures[i].Again = true
	}
	return figures, nil
}

// rounded keeps as many digits as a measurement deserves, so that the file of the
// figures can be read.
func (f Figure) rounded() Figure {
	f.Value, f.Low, f.High = round(f.Value), round(f.Low), round(f.High)
	return f
}

func round(v float64) float64 {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return v
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

// number writes a value as a person would: 1,850 or 21 or 3.4 or 0.62.
func number(v float64) string {
	switch size := math.Abs(v); {
	case size >= 10_000: // three figures are all that was measured
		return thousands(int(math.Round(v/100) * 100))
	case size >= 999.5:
		return thousands(int(math.Round(v)))
	case size >= 10 || v == 0:
		return fmt.Sprintf("%.0f", v)
	case size >= 1:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// thousands writes a whole number with a comma before every three digits.
func thousands(n int) string {
	if n < 0 {
		return "-" + thousands(-n)
	}
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// String is the value, with a ~ before it when it is noisy.
func (f Figure) String() string {
	if f.Runs == 0 {
		return "–"
	}
	if f.Noisy {
		return "~" + number(f.Value)
	}
	return number(f.Value)
}

// Spread is the value with the range of its runs: 1,850 (1,790 to 1,900).
func (f Figure) Spread() string {
	low, high := number(f.Low), number(f.High)
	if f.Runs < 2 || low == high {
		return f.String()
	}
	return fmt.Sprintf("%s (%s to %s)", f, low, high)
}

// Quantile is one point of a distribution.
type Quantile struct {
	Percent float64 `json:"percent"`
	MS      float64 `json:"ms"`
}

var percents = []float64{0, 5, 10, 25, 50, 75, 90, 95, 99, 99.9, 100}

func distribution(h *hdrhistogram.Histogram) []Quantile {
	var all []Quantile
	for _, p := range percents {
		all = append(all, Quantile{p, round(milliseconds(h, p))})
	}
	return all
}

func milliseconds(h *hdrhistogram.Histogram, percent float64) float64 {
	return float64(h.ValueAtQuantile(percent)) / 1000
}

// seconds writes a duration for a cell.
func seconds(f Figure) string {
	if f.Runs == 0 {
		return "–"
	}
	mark := ""
	if f.Noisy {
		mark = "~"
	}
	if f.Value < 0 {
		return "never"
	}
	if f.Value < 1 {
		return fmt.Sprintf("%s%.0f ms", mark, f.Value*1000)
	}
	return fmt.Sprintf("%s%.1f s", mark, f.Value)
}
