package microservices_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"

	"course.example/05-microservices/paymentpb"
)

var (
	fieldOfProto  = regexp.MustCompile(`(?m)^\s+((?:optional )?\w+ \w+ = \d+);`)
	methodOfProto = regexp.MustCompile(`(?m)^\s+rpc (\w+\(\w+\) returns \(\w+\));`)
)

// The generated code is committed. Who changes payment.proto and forgets go generate
// is told so here, on a machine that cannot generate anything.
func TestGeneratedCodeIsThatOfTheContract(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("payment.proto")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, pattern := range []*regexp.Regexp{methodOfProto, fieldOfProto} {
		for _, match := range pattern.FindAllSubmatch(source, -1) {
			want = append(want, string(match[1]))
		}
	}
	methods := paymentpb.File_payment_proto.Services().ByName("Payment").Methods()
	for i := range methods.Len() {
		m := methods.Get(i)
		got = append(got, fmt.Sprintf("%s(%s) returns (%s)",
			m.Name(), m.Input().Name(), m.Output().Name()))
	}
	messages := paymentpb.File_payment_proto.Messages()
	for i := range messages.Len() {
		fields := messages.Get(i).Fields()
		for k := range fields.Len() {
			f := fields.Get(k)
			presence := ""
			if f.HasOptionalKeyword() {
				presence = "optional "
			}
			got = append(got, fmt.Sprintf("%s%s %s = %d", presence, f.Kind(), f.Name(), f.Number()))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("run go generate: payment.proto says\n%q\nand the generated code\n%q", want, got)
	}
}
