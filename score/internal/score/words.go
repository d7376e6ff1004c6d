package score

import (
	"fmt"
	"regexp"
	"strings"
)

// claim is something that a step's page may say in words, and what the table must say then.
type claim struct {
	says  *regexp.Regexp
	where func(page string) string
	holds func(Row) bool
	table string
}

var claims = []claim{
	{
		regexp.MustCompile(`^None\b`), redundancySection,
		func(r Row) bool { return strings.HasPrefix(r.half(), noSecond) },
		"Redundancy " + noSecond,
	},
	{
		regexp.MustCompile(`single point of failure|runs one\b|\bone\b.* node|are one\b|is in one\b`),
		redundancySection,
		func(r Row) bool { return len(r.Single) > 0 },
		"what has no second",
	},
	{
		regexp.MustCompile(`(?:no|No) (?:accepted |acknowledged )?(?:order|update) is lost|` +
			`nothing (?:accepted )?is lost|no order lost`), promise,
		func(r Row) bool { lost, _ := r.lost(); return lost == 0 },
		"0 lost at every kill",
	},
	{
		regexp.MustCompile(`none is done twice|no effect happens twice|ever charged twice`), promise,
		func(r Row) bool { _, twice := r.lost(); return twice == 0 },
		"nothing done twice",
	},
	{
		regexp.MustCompile(`kill -9[^.]* lost is`), promise,
		func(r Row) bool { lost, _ := r.lost(); return lost > 0 },
		"orders lost at a kill",
	},
}

// Contradictions are where the page of a step says in words what its row of the table does
// not say in figures.
func (r Row) Contradictions(page string) []string {
	var all []string
	for _, c := range claims {
		said := c.says.FindString(c.where(page))
		if said != "" && !c.holds(r) {
			all = append(all, fmt.Sprintf("the page says %q, and the table not: %s", said, c.table))
		}
	}
	if strings.HasPrefix(r.half(), noSecond) && !strings.HasPrefix(redundancySection(page), "None") {
		all = append(all, "the table says Redundancy none, and the page does not say None")
	}
	return all
}

// promise is what the page promises: the bold text behind "The promise:".
func promise(page string) string {
	_, rest, _ := strings.Cut(page, "The promise: **")
	text, _, _ := strings.Cut(rest, "**")
	return strings.Join(strings.Fields(text), " ")
}

func redundancySection(page string) string {
	_, rest, _ := strings.Cut(page, "### Redundancy?\n")
	text, _, _ := strings.Cut(rest, "\n#")
	return strings.Join(strings.Fields(text), " ")
}
