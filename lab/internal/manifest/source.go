package manifest

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// slip is what is wrong in a manifest, and where: the keys that lead there.
type slip struct {
	path []string
	err  error
}

func (s *slip) Error() string { return strings.Join(append(s.path, s.err.Error()), ": ") }

func (s *slip) Unwrap() error { return s.err }

// under says below which keys an error was found. No error stays none.
func under(err error, path ...string) error {
	var s *slip
	switch {
	case err == nil:
		return nil
	case errors.As(err, &s):
		return &slip{append(path, s.path...), s.err}
	default:
		return &slip{path, err}
	}
}

// source is a manifest as it was written: it knows in which line everything stands.
//
// The library decodes YAML, too, but its errors are drawings of several lines, and what the
// checks find after it has no line at all.
type source struct {
	lines   map[string]int
	names   map[string]string // what experiments, processes and variants are called
	anchors map[string]ast.Node
	path    []string
	nodes   int
	zero    [][]string // where a 0 was written
	raw     []byte
}

// Bounds of what a manifest may hold, far above what one does.
const (
	maxNodes = 100_000
	maxDepth = 30
)

// readYAML fills a manifest in from what is written, and refuses what it does not have.
func readYAML(raw []byte, into any) (*source, error) {
	src := &source{
		lines: map[string]int{}, names: map[string]string{}, anchors: map[string]ast.Node{},
		raw: raw,
	}
	file, err := parser.ParseBytes(quoteBounds(raw), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return src, err
	}
	docs := slices.DeleteFunc(file.Docs, func(d *ast.DocumentNode) bool { return d.Body == nil })
	switch {
	case len(docs) == 0:
		return src, errors.New("there is nothing in it")
	case len(docs) > 1:
		src.lines[""] = docs[1].Body.GetToken().Position.Line
		return src, errors.New("a second document begins here, and nobody would read it")
	}
	return src, src.value(docs[0].Body, reflect.ValueOf(into).Elem())
}

// explain is an error in one line: file, line, experiment, and what is wrong.
func (s *source) explain(file string, err error) error {
	line, words := 1, []string(nil)
	var syntax yaml.Error
	var where *slip
	switch {
	case errors.As(err, &syntax):
		line = syntax.GetToken().Position.Line
		err = errors.New(strings.Join(strings.Fields(syntax.GetMessage()), " "))
		if strings.HasPrefix(err.Error(), "invalid header option") {
			err = errors.New(`a text that begins with > wants quotes, as in "> 5"`)
		}
		if name := s.experimentAt(line); name != "" {
			words = []string{"experiment " + name}
		}
	case errors.As(err, &where):
		line, words, err = s.line(where.path), s.words(where.path), where.err
	case s.lines[""] > 0:
		line = s.lines[""]
	}
	text := strings.Join(append(words, err.Error()), ": ")
	return fmt.Errorf("%s:%d: %s", file, line, text)
}

// line is where the last of the keys stands that are written down at all.
func (s *source) line(path []string) int {
	for ; len(path) > 0; path = path[:len(path)-1] {
		if line := s.lines[key(path)]; line > 0 {
			return line
		}
	}
	return max(s.lines[""], 1)
}

var kinds = map[string]string{
	"experiments": "experiment", "processes": "process", "variants": "variant",
}

// words are the keys as a reader would say them: experiment kill, rather than experiments and 3.
func (s *source) words(path []string) []string {
	var words []string
	for i, word := range path {
		_, err := strconv.Atoi(word)
		switch kind := kinds[path[0]]; {
		case kind != "" && i == 0 && len(path) > 1:
			name := s.names[key(path[:2])]
			if n, err := strconv.Atoi(path[1]); name == "" && err == nil {
				name = strconv.Itoa(n + 1)
			}
			words = append(words, kind+" "+name)
		case err != nil:
			words = append(words, word)
		}
	}
	return words
}

var named = regexp.MustCompile(`^ *- name: *["']?([^"'\s#]+)`)

// experimentAt is the experiment to which a line belongs that could not be read as YAML.
func (s *source) experimentAt(line int) string {
	name, inside := "", false
	for i, text := range strings.Split(string(s.raw), "\n") {
		if i >= line {
			break
		}
		if m := named.FindStringSubmatch(text); m != nil && inside {
			name = m[1]
		}
		inside = inside || strings.HasPrefix(text, "experiments:")
	}
	return name
}

func key(path []string) string { return strings.Join(path, "\x00") }

// in reads what stands under a key.
func (s *source) in(name string, line int, read func() error) error {
	s.path = append(s.path, name)
	defer func() { s.path = s.path[:len(s.path)-1] }()
	s.lines[key(s.path)] = line
	return read()
}

// wrong is an error at the place that is being read.
func (s *source) wrong(format string, args ...any) error {
	return &slip{slices.Clone(s.path), fmt.Errorf(format, args...)}
}

// plain follows anchors, aliases and tags to the value itself.
func (s *source) plain(n ast.Node) (ast.Node, error) {
	if s.nodes++; s.nodes > maxNodes || len(s.path) > maxDepth {
		return nil, s.wrong("is too much, or too deep")
	}
	switch n := n.(type) {
	case *ast.AnchorNode:
		value, err := s.plain(n.Value)
		s.anchors[n.Name.GetToken().Value] = value
		return value, err
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		value, ok := s.anchors[name]
		if !ok {
			return nil, s.wrong("*%s stands for nothing: there is no &%s before it", name, name)
		}
		return value, nil
	case *ast.TagNode:
		return nil, s.wrong("%s: tags are not read here", n.GetToken().Value)
	case *ast.NullNode, nil:
		return nil, s.wrong("says nothing: fill it in, or leave it out")
	default:
		return n, nil
	}
}

// value reads a node into a field of the manifest.
func (s *source) value(n ast.Node, v reflect.Value) error {
	n, err := s.plain(n)
	if err != nil {
		return err
	}
	switch into := v.Addr().Interface().(type) {
	case *Duration:
		err := s.duration(n, into)
		s.sawZero(err == nil && *into == 0)
		return err
	case *Conditions:
		return s.conditions(n, into)
	case *Timeline:
		return s.timeline(n, into)
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return s.value(n, v.Elem())
	case reflect.Struct:
		return s.object(n, v)
	case reflect.Slice:
		return s.list(n, v)
	case reflect.Map:
		return s.table(n, v)
	default:
		err := s.scalar(n, v)
		s.sawZero(err == nil && v.Kind() != reflect.String && v.Kind() != reflect.Bool && v.IsZero())
		return err
	}
}

// sawZero remembers a 0 that the manifest has no other word for than nothing said. To scale to 0
// and to work for no time is something.
func (s *source) sawZero(zero bool) {
	if zero && !slices.Contains(s.path, "scale") && s.path[len(s.path)-1] != "work" {
		s.zero = append(s.zero, slices.Clone(s.path))
	}
}

// entries are the keys and values of a mapping, in the order of the page.
func (s *source) entries(n ast.Node, read func(name string, line int, value ast.Node) error) error {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		return s.wrong("want keys and values, as in name: value, not %s", shape(n))
	}
	seen := map[string]int{}
	for _, v := range values {
		name, line := v.Key.GetToken().Value, v.Key.GetToken().Position.Line
		if _, merge := v.Key.(*ast.MergeKeyNode); merge {
			name = "<<"
		}
		if before, twice := seen[name]; twice {
			return s.in(name, line, func() error {
				return s.wrong("is there twice: it was in line %d already", before)
			})
		}
		seen[name] = line
		if err := read(name, line, v.Value); err != nil {
			return err
		}
	}
	return nil
}

func (s *source) object(n ast.Node, v reflect.Value) error {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		if tag := v.Type().Field(i).Tag.Get("yaml"); tag != "" && tag != "-" {
			fields[tag] = v.Field(i)
		}
	}
	// Its name first: an error in what stands before it names it, too.
	_ = s.entries(n, func(name string, _ int, value ast.Node) error {
		if name == "name" && value != nil {
			s.names[key(s.path)] = strings.TrimSpace(text(value))
		}
		return nil
	})
	return s.entries(n, func(name string, line int, value ast.Node) error {
		field, ok := fields[name]
		return s.in(name, line, func() error {
			if !ok {
				all := slices.Collect(maps.Keys(fields))
				return s.wrong("there is no such key here%s", didYouMean(name, all))
			}
			return s.value(value, field)
		})
	})
}

func (s *source) list(n ast.Node, v reflect.Value) error {
	sequence, ok := n.(*ast.SequenceNode)
	if !ok {
		return s.wrong("want a list, as in [a, b], not %s", shape(n))
	}
	for i, item := range sequence.Values {
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		err := s.in(strconv.Itoa(i), item.GetToken().Position.Line, func() error {
			return s.value(item, v.Index(i))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *source) table(n ast.Node, v reflect.Value) error {
	v.Set(reflect.MakeMap(v.Type()))
	return s.entries(n, func(name string, line int, value ast.Node) error {
		return s.in(name, line, func() error {
			element := reflect.New(v.Type().Elem()).Elem()
			if err := s.value(value, element); err != nil {
				return err
			}
			v.SetMapIndex(reflect.ValueOf(name), element)
			return nil
		})
	})
}

// scalar reads one word, number or text.
func (s *source) scalar(n ast.Node, v reflect.Value) error {
	if _, ok := n.(ast.ScalarNode); !ok {
		return s.wrong("want one value, not %s", shape(n))
	}
	word := text(n)
	switch v.Kind() {
	case reflect.String:
		v.SetString(word)
	case reflect.Bool:
		if word != "true" && word != "false" {
			return s.wrong("%q is neither true nor false", word)
		}
		v.SetBool(word == "true")
	case reflect.Int:
		i, err := strconv.Atoi(word)
		if err != nil {
			return s.wrong("%q is no whole number", word)
		}
		v.SetInt(int64(i))
	case reflect.Float64:
		f, err := strconv.ParseFloat(word, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return s.wrong("%q is no number", word)
		}
		v.SetFloat(f)
	default:
		return s.wrong("a %s cannot be read", v.Kind())
	}
	return nil
}

func (s *source) duration(n ast.Node, into *Duration) error {
	word := text(n)
	parsed, err := time.ParseDuration(word)
	if err != nil {
		return s.wrong("%q is not a duration such as 250ms or 2s", word)
	}
	*into = Duration(parsed)
	return nil
}

// texts are one value, or a list of them.
func (s *source) texts(n ast.Node) ([]string, error) {
	n, err := s.plain(n)
	if err != nil {
		return nil, err
	}
	nodes := []ast.Node{n}
	if sequence, ok := n.(*ast.SequenceNode); ok {
		nodes = sequence.Values
	}
	var all []string
	for _, one := range nodes {
		if one, err = s.plain(one); err != nil {
			return nil, err
		}
		if _, ok := one.(ast.ScalarNode); !ok {
			return nil, s.wrong("want one value or a list of them, not %s", shape(one))
		}
		all = append(all, text(one))
	}
	return all, nil
}

func (s *source) conditions(n ast.Node, into *Conditions) error {
	return s.entries(n, func(name string, line int, value ast.Node) error {
		return s.in(name, line, func() error {
			bounds, err := s.texts(value)
			if err != nil {
				return err
			}
			if len(bounds) == 0 {
				return s.wrong("says nothing: fill it in, or leave it out")
			}
			*into = append(*into, conditionsOf(name, bounds)...)
			return nil
		})
	})
}

func (s *source) timeline(n ast.Node, into *Timeline) error {
	return s.entries(n, func(name string, line int, value ast.Node) error {
		return s.in(name, line, func() error {
			acts, err := s.texts(value)
			if err != nil {
				return err
			}
			entry, err := parseEntry(name, acts)
			if err != nil {
				return s.wrong("%w", err)
			}
			*into = append(*into, entry)
			return nil
		})
	})
}

// text is a scalar as it was written, without its quotes.
func text(n ast.Node) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	default:
		return n.GetToken().Value
	}
}

// shape says what a node is, for an error.
func shape(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys and values"
	case *ast.SequenceNode:
		return "a list"
	default:
		return strconv.Quote(text(n))
	}
}
