package serialization

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// A change of a schema is tried on its readers before it is merged: by a test
// that compares the schema with the one before. For Protobuf that is what
// `buf breaking` does with sixty rules. These are the rules that this step needs,
// in a page that can be read.

// BreakingProtobuf returns what in the schema next breaks a program that was
// built with the schema old, or nothing.
func BreakingProtobuf(old, next protoreflect.MessageDescriptor) []string {
	var broken []string
	report := func(format string, args ...any) {
		broken = append(broken, string(old.Name())+": "+fmt.Sprintf(format, args...))
	}
	fields := old.Fields()
	for i := range fields.Len() {
		was := fields.Get(i)
		is := next.Fields().ByNumber(was.Number())
		switch {
		case is == nil && !next.ReservedRanges().Has(was.Number()):
			report("%s = %d is gone, and its number is not reserved", was.Name(), was.Number())
		case is == nil: // nobody can take the number: old readers see it empty
		case is.Name() != was.Name():
			report("%d was %s and is %s", was.Number(), was.Name(), is.Name())
		case is.Kind() != was.Kind() || is.Cardinality() != was.Cardinality():
			report("%s was %s %s and is %s %s", was.Name(),
				was.Cardinality(), was.Kind(), is.Cardinality(), is.Kind())
		case oneof(is) != oneof(was):
			report("%s was in oneof %q and is in %q", was.Name(), oneof(was), oneof(is))
		case was.Message() != nil:
			broken = append(broken, BreakingProtobuf(was.Message(), is.Message())...)
		case was.Enum() != nil:
			broken = append(broken, breakingEnum(was.Enum(), is.Enum())...)
		}
	}
	return broken
}

func oneof(f protoreflect.FieldDescriptor) protoreflect.Name {
	if f.ContainingOneof() == nil {
		return ""
	}
	return f.ContainingOneof().Name()
}

func breakingEnum(old, next protoreflect.EnumDescriptor) []string {
	var broken []string
	for i := range old.Values().Len() {
		was := old.Values().Get(i)
		is := next.Values().ByNumber(was.Number())
		if is == nil || is.Name() != was.Name() {
			broken = append(broken, fmt.Sprintf("%s: %d was %s and is no more",
				old.Name(), was.Number(), was.Name()))
		}
	}
	return broken
}

// BreakingJSON compares what the old program writes of an event with what the new
// one writes of the same: for JSON without a schema there is nothing else to compare.
// Every member of the old one must still be there, and of the same type, and no number
// may be larger than a float64 holds exactly. An event that sets every field shows every
// change.
func BreakingJSON(old, next []byte) ([]string, error) {
	was, err := loose(old)
	if err != nil {
		return nil, fmt.Errorf("the old event: %w", err)
	}
	is, err := loose(next)
	if err != nil {
		return nil, fmt.Errorf("the new event: %w", err)
	}
	return breakingValue("", was, is), nil
}

func loose(body []byte) (value any, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber() // or the check would be the mistake it looks for
	err = d.Decode(&value)
	return value, err
}

const exactly = 1 << 53 // RFC 8259, section 6

func breakingValue(at string, was, is any) []string {
	if jsonType(was) != jsonType(is) {
		return []string{fmt.Sprintf("%s: was %s and is %s", at, jsonType(was), jsonType(is))}
	}
	var broken []string
	switch is := is.(type) {
	case json.Number:
		n, err := strconv.ParseInt(is.String(), 10, 64)
		if err == nil && (n > exactly || n < -exactly) {
			broken = append(broken, fmt.Sprintf("%s: %s is more than a float64 holds", at, is))
		}
	case map[string]any:
		was := was.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(was)) {
			broken = append(broken, breakingValue(at+"/"+name, was[name], is[name])...)
		}
	case []any:
		if was := was.([]any); len(was) > 0 && len(is) > 0 {
			broken = append(broken, breakingValue(at+"/0", was[0], is[0])...)
		}
	}
	return broken
}

func jsonType(value any) string {
	switch value.(type) {
	case nil:
		return "nothing"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case bool:
		return "a boolean"
	case []any:
		return "a list"
	default:
		return "an object"
	}
}
