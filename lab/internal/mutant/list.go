// Package mutant takes promises away from programs, one at a time, and asks their tests whether
// they notice. What is taken away stands in lists, one beside each module, because a promise is
// not found by a tool: the ack, the lock, the order of two writes.
package mutant

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// FileName is the name of a module's list.
const FileName = "mutants.yaml"

// Mutant is one promise taken away: a text of a file and what takes its place.
type Mutant struct {
	Name string `yaml:"name"`
	File string `yaml:"file"` // relative to the module, with slashes
	// Find must stand in the file exactly once. How its lines are indented does not count.
	Find    string `yaml:"find"`
	Replace string `yaml:"replace"`
	Tests   string `yaml:"tests"`   // the pattern for go test -run
	Package string `yaml:"package"` // folder of the tests, if not that of File
	Module  string `yaml:"module"`  // of the tests, if not the one of the list
	// Survives is why no test can notice: the reason for which the mutant is harmless.
	Survives string `yaml:"survives"`

	Line   int    `yaml:"-"` // where the entry begins
	source string // the whole mutated file
}

// Source is the file with the promise taken away.
func (m Mutant) Source() string { return m.source }

// Read reads the list of a module, which has the given name for people; a module without one has
// no mutants. An entry that does not hold is a problem, which names file and line, and does not
// keep the others back.
func Read(dir, name string) (list []Mutant, problems []error) {
	path, shown := filepath.Join(dir, FileName), name+"/"+FileName
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, []error{fmt.Errorf("read mutants: %w", err)}
	}
	nodes, err := entries(raw)
	if err != nil {
		return nil, []error{located(shown, 1, err)}
	}
	taken := map[string]bool{}
	for _, node := range nodes {
		m := Mutant{Line: node.GetToken().Position.Line}
		if first, ok := node.(*ast.MappingNode); ok && len(first.Values) > 0 {
			m.Line = first.Values[0].Key.GetToken().Position.Line // its token is the first colon
		}
		err := yaml.NodeToValue(node, &m, yaml.Strict())
		m.Find, m.Replace = withTabs(m.Find), withTabs(m.Replace)
		if err == nil && taken[m.Name] {
			err = fmt.Errorf("the name %q is taken", m.Name)
		}
		if err == nil {
			err = m.prepare(dir)
		}
		if err != nil {
			problems = append(problems, located(shown, m.Line, err))
			continue
		}
		taken[m.Name] = true
		list = append(list, m)
	}
	return list, problems
}

// Go is indented with tabs, and so is what stands in a list, behind the spaces of YAML. Its reader
// takes a tab there for a slip: it is given another sign, and the tab is put back in the end.
const tab = "\uE000" // for private use: it stands in no text

var leadingTabs = regexp.MustCompile(`(?m)^ +\t+`)

func withoutTabs(raw []byte) []byte {
	return leadingTabs.ReplaceAllFunc(raw, func(lead []byte) []byte {
		return bytes.ReplaceAll(lead, []byte("\t"), []byte(tab))
	})
}

func withTabs(text string) string { return strings.ReplaceAll(text, tab, "\t") }

// entries are the nodes of the list, each of which is read by itself.
func entries(raw []byte) ([]ast.Node, error) {
	file, err := parser.ParseBytes(withoutTabs(raw), 0)
	if err != nil {
		return nil, err
	}
	var all []ast.Node
	for _, doc := range file.Docs {
		switch body := doc.Body.(type) {
		case nil, *ast.CommentGroupNode, *ast.NullNode:
		case *ast.SequenceNode:
			all = append(all, body.Values...)
		default:
			return nil, errors.New("is no list: an entry begins with - name")
		}
	}
	return all, nil
}

// located says in one line where a mistake is. Errors of the YAML reader know it better, and
// would show the text around it besides.
func located(file string, line int, err error) error {
	var syntax yaml.Error
	if errors.As(err, &syntax) {
		err = errors.New(strings.ReplaceAll(syntax.GetMessage(), "\n", " "))
		if token := syntax.GetToken(); token != nil {
			line = token.Position.Line
		}
	}
	return fmt.Errorf("%s:%d: %w", file, line, err)
}

// prepare checks an entry, fills in its defaults and makes the mutated source.
func (m *Mutant) prepare(dir string) error {
	for _, field := range []struct{ name, value string }{
		{"name", m.Name}, {"file", m.File}, {"find", m.Find}, {"tests", m.Tests},
	} {
		if strings.TrimSpace(field.value) == "" {
			return fmt.Errorf("%s: %s: is missing", m.Name, field.name)
		}
	}
	if !filepath.IsLocal(filepath.FromSlash(m.File)) {
		return fmt.Errorf("%s: file: %s is not in this module", m.Name, m.File)
	}
	if _, err := regexp.Compile(m.Tests); err != nil {
		return fmt.Errorf("%s: tests: %q is no pattern: %w", m.Name, m.Tests, err)
	}
	if m.Package == "" && m.Module == "" {
		m.Package = filepath.ToSlash(filepath.Dir(filepath.FromSlash(m.File)))
	}
	if m.Package == "" {
		m.Package = "."
	}
	source, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(m.File)))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: file: there is no %s", m.Name, m.File)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", m.Name, err)
	}
	if m.source, err = replace(string(source), m.Find, m.Replace); err != nil {
		return fmt.Errorf("%s: find: %w of %s", m.Name, err, m.File)
	}
	return nil
}

// replace puts one text in the place of another, which must stand in the source exactly once.
func replace(source, find, with string) (string, error) {
	// A text in YAML ends with a line or not, as its writer happened to quote it.
	with = strings.TrimSuffix(with, "\n")
	if strings.HasSuffix(find, "\n") && with != "" {
		with += "\n"
	}
	places := allIndex(source, regexp.MustCompile(regexp.QuoteMeta(find)))
	if len(places) == 0 {
		places = allIndex(source, indented(find))
	}
	switch {
	case len(places) == 0:
		return "", errors.New("the text is in no line")
	case len(places) > 1:
		return "", fmt.Errorf("the text is in %d places", len(places))
	}
	mutated := source[:places[0][0]] + with + source[places[0][1]:]
	if mutated == source {
		return "", errors.New("the replacement changes nothing")
	}
	return mutated, nil
}

func allIndex(source string, what *regexp.Regexp) [][]int {
	return what.FindAllStringIndex(source, -1)
}

// indented finds the same lines at any depth: YAML is indented with spaces, Go with tabs.
func indented(find string) *regexp.Regexp {
	var lines []string
	for line := range strings.Lines(find) {
		lines = append(lines, regexp.QuoteMeta(strings.TrimSpace(line)))
	}
	pattern := strings.Join(lines, `[ \t]*\n[ \t]*`)
	if strings.HasSuffix(find, "\n") {
		pattern += `[ \t]*\n`
	}
	return regexp.MustCompile(pattern)
}
