// Package schema makes the JSON schema of lab.yaml from the Go types that read it, for editors:
// they complete its keys, say what each is, and mark what is none. The doc comments of the fields
// are what an editor shows; figures and their bounds come from the table of figures.
//
// go generate ./internal/schema, in the folder lab, writes it anew.
package schema

//go:generate go run ./write

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"

	"github.com/invopop/jsonschema"

	"course.example/lab/internal/figure"
	"course.example/lab/internal/manifest"
)

// File is where the schema is kept, from this package's folder.
const File = "../../lab.schema.json"

// Make returns the schema. It must be called in this package's folder, beside the
// sources whose comments it reads.
func Make() ([]byte, error) {
	r := jsonschema.Reflector{
		FieldNameTag: "yaml", RequiredFromJSONSchemaTags: true, Anonymous: true, Mapper: special,
	}
	err := r.AddGoComments("course.example/lab/internal/schema", "../manifest",
		jsonschema.WithFullComment())
	if err != nil {
		return nil, fmt.Errorf("read the comments of the manifest: %w", err)
	}
	s := r.Reflect(&manifest.Step{})
	s.Definitions["Conditions"], s.Definitions["Duration"] = conditions(), duration()
	s.Title = "lab.yaml: what the lab must know of a step"
	var out bytes.Buffer
	encode := json.NewEncoder(&out)
	encode.SetEscapeHTML(false) // a bound is > 0, also to who reads the schema
	encode.SetIndent("", "  ")
	if err := encode.Encode(s); err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	return pretty(out.Bytes()), nil
}

// pretty undoes what the library escapes on its own.
func pretty(raw []byte) []byte {
	for escaped, plain := range map[string]string{`\u003e`: ">", `\u003c`: "<", `\u0026`: "&"} {
		raw = bytes.ReplaceAll(raw, []byte(escaped), []byte(plain))
	}
	return raw
}

// special are the types that are written otherwise than they are kept.
func special(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[manifest.Duration]():
		return &jsonschema.Schema{Ref: "#/$defs/Duration"}
	case reflect.TypeFor[manifest.Conditions]():
		return &jsonschema.Schema{Ref: "#/$defs/Conditions"}
	case reflect.TypeFor[manifest.Timeline]():
		return &jsonschema.Schema{
			Type: "object", AdditionalProperties: jsonschema.FalseSchema,
			PatternProperties: map[string]*jsonschema.Schema{
				`^(at|every) [0-9a-zµ.]+$`: oneOrMore(&jsonschema.Schema{Type: "string"}),
			},
		}
	case reflect.TypeFor[map[string]string]():
		return &jsonschema.Schema{Type: "object", AdditionalProperties: anyOf(
			&jsonschema.Schema{Type: "string"}, &jsonschema.Schema{Type: "number"},
			&jsonschema.Schema{Type: "boolean"})}
	}
	return nil
}

func duration() *jsonschema.Schema {
	return &jsonschema.Schema{
		Type: "string", Pattern: `^([0-9.]+(ns|us|µs|ms|s|m|h))+$`,
		Description: "a duration such as 250ms or 2s",
	}
}

// conditions has a property for every figure of the table.
func conditions() *jsonschema.Schema {
	s := &jsonschema.Schema{
		Type: "object", Properties: jsonschema.NewProperties(),
		PatternProperties:    map[string]*jsonschema.Schema{},
		AdditionalProperties: jsonschema.FalseSchema,
	}
	for _, f := range figure.Table {
		bound := oneOrMore(boundOf(f.Rule))
		bound.Description = f.About
		if f.Family {
			s.PatternProperties["^"+regexp.QuoteMeta(f.Name)+".+$"] = bound
		} else {
			s.Properties.Set(f.Name, bound)
		}
	}
	return s
}

// boundOf is how one value of a figure is written: as a number, or as a text of bounds.
func boundOf(rule figure.Rule) *jsonschema.Schema {
	text := &jsonschema.Schema{Type: "string"}
	if rule.Schema == "" {
		return anyOf(text, &jsonschema.Schema{Type: "number"})
	}
	text.Pattern = `^\s*` + rule.Schema + `(\s+and\s+` + rule.Schema + `)*\s*$`
	switch {
	case rule.Stretches:
		return text
	case rule.Whole:
		return anyOf(text, &jsonschema.Schema{Type: "integer", Minimum: "0"})
	default:
		return anyOf(text, &jsonschema.Schema{Type: "number"})
	}
}

func oneOrMore(one *jsonschema.Schema) *jsonschema.Schema {
	return anyOf(one, &jsonschema.Schema{Type: "array", Items: one})
}

func anyOf(all ...*jsonschema.Schema) *jsonschema.Schema { return &jsonschema.Schema{AnyOf: all} }
