package manifest

import (
	"regexp"
	"strings"
)

// section is where conditions stand.
var section = regexp.MustCompile(`^(\s*(?:- +)?)(?:promises|shows):\s*(.*)$`)

// quoteBounds puts quotes around bounds that begin with >, so that lost: > 0 may be written as it
// is said: in YAML a > begins a text of several lines. Only what stands below promises: and shows:
// is changed, and no line becomes another one.
func quoteBounds(raw []byte) []byte {
	lines := strings.Split(string(raw), "\n")
	inside, indent := false, 0
	for i, line := range lines {
		bare := strings.TrimSpace(line)
		depth := len(line) - len(strings.TrimLeft(line, " "))
		if inside && bare != "" && bare[0] != '#' && depth <= indent {
			inside = false
		}
		if m := section.FindStringSubmatch(line); m != nil && !inside {
			inside, indent = true, len(m[1])
			lines[i] = line[:len(line)-len(m[2])] + quoteLine(m[2])
		} else if inside {
			lines[i] = quoteLine(line)
		}
	}
	return []byte(strings.Join(lines, "\n"))
}

// begins is what stands before a value: a key's colon, a comma, a bracket, the dash of a list.
// Before a key in quotes there may be nothing.
var (
	begins = regexp.MustCompile(`(?:: *|[,\[{]\s*|^\s*- +)$`)
	opens  = regexp.MustCompile(`(?:[:,\[{-]|^)\s*$`)
)

// bound is a comparison at the start of a text: not the > alone, or with - or +, that begins a
// text of several lines.
var bound = regexp.MustCompile(`^>=?\s*[^\s,}\]#+-][^,}\]#]*`)

// quoteLine quotes the bounds of one line. What is in quotes, or behind #, stays as it is.
func quoteLine(line string) string {
	var out strings.Builder
	quote := byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote != 0:
			if c == '\\' && quote == '"' && i+1 < len(line) {
				out.WriteByte(c)
				i++
				c = line[i]
			} else if c == quote {
				quote = 0
			}
		case (c == '"' || c == '\'') && opens.MatchString(line[:i]):
			quote = c
		case c == '#' && (i == 0 || line[i-1] == ' '):
			return out.String() + line[i:]
		case c == '>' && begins.MatchString(line[:i]):
			found := bound.FindString(line[i:])
			if found == "" {
				break
			}
			value := strings.TrimRight(found, " \t\r")
			out.WriteString(`"` + value + `"` + found[len(value):])
			i += len(found) - 1
			continue
		}
		out.WriteByte(c)
	}
	return out.String()
}
