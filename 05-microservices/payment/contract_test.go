package payment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"

	"course.example/05-microservices/paymentpb"
	"course.example/shop"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// post sends a charge as it stands, with each of the keys as a header of its own.
func post(t *testing.T, url, body string, keys ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/charges",
		strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		r.Header.Add("Idempotency-Key", key)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	return resp, string(raw)
}

const goodBody = `{"order_id":"o","user_email":"ada@example.com","amount_cents":1}`

// The contract of payment.proto, from outside and through both protocols: the caller
// learns the same.
func TestContract(t *testing.T) {
	t.Parallel()
	good := func() *paymentpb.ChargeRequest {
		return &paymentpb.ChargeRequest{OrderId: "o", UserEmail: "ada@example.com",
			AmountCents: proto.Int64(1), IdempotencyKey: "key"}
	}
	long := strings.Repeat("x", 256)
	for _, c := range []struct {
		name   string
		body   string
		key    string
		change func(*paymentpb.ChargeRequest)
		status int
		code   codes.Code
		says   string
	}{
		{"charged", goodBody, "key", func(*paymentpb.ChargeRequest) {}, 200, codes.OK, ""},
		{"of nothing", strings.Replace(goodBody, ":1", ":0", 1), "key",
			func(r *paymentpb.ChargeRequest) { r.AmountCents = proto.Int64(0) },
			200, codes.OK, ""},
		{"no key", goodBody, "", func(r *paymentpb.ChargeRequest) { r.IdempotencyKey = "" },
			400, codes.InvalidArgument, "Idempotency-Key is missing"},
		{"long key", goodBody, long,
			func(r *paymentpb.ChargeRequest) { r.IdempotencyKey = long },
			400, codes.InvalidArgument, "Idempotency-Key is 256 bytes long"},
		{"odd key", goodBody, "kéy", func(r *paymentpb.ChargeRequest) { r.IdempotencyKey = "kéy" },
			400, codes.InvalidArgument, "printable ASCII"},
		{"no order", `{"user_email":"a@example.com","amount_cents":1}`, "key",
			func(r *paymentpb.ChargeRequest) { r.OrderId = "" },
			400, codes.InvalidArgument, "order_id is missing"},
		{"long order", strings.Replace(goodBody, `"o"`, `"`+long+`"`, 1), "key",
			func(r *paymentpb.ChargeRequest) { r.OrderId = long },
			400, codes.InvalidArgument, "order_id is 256 bytes long"},
		{"nobody's", `{"order_id":"o","amount_cents":1}`, "key",
			func(r *paymentpb.ChargeRequest) { r.UserEmail = "" },
			400, codes.InvalidArgument, "user_email is missing"},
		{"no amount", `{"order_id":"o","user_email":"a@example.com","amount":1}`, "key",
			func(r *paymentpb.ChargeRequest) { r.AmountCents = nil },
			400, codes.InvalidArgument, "amount_cents is missing"},
		{"less than nothing", strings.Replace(goodBody, ":1", ":-1", 1), "key",
			func(r *paymentpb.ChargeRequest) { r.AmountCents = proto.Int64(-1) },
			400, codes.InvalidArgument, "amount_cents is -1"},
		{"all the money", strings.Replace(goodBody, ":1", ":1000000000000000000", 1), "key",
			func(r *paymentpb.ChargeRequest) { r.AmountCents = proto.Int64(1e18) },
			400, codes.InvalidArgument, "must be 0 to 20000000000000"},
		{"declined", strings.Replace(goodBody, "example.com", shop.BounceDomain, 1), "key",
			func(r *paymentpb.ChargeRequest) { r.UserEmail = "ada@" + shop.BounceDomain },
			402, codes.FailedPrecondition, "declined"},
		{"too large", strings.Replace(goodBody, `"o"`, `"`+strings.Repeat("o", maxCharge)+`"`, 1),
			"key", func(r *paymentpb.ChargeRequest) { r.OrderId = strings.Repeat("o", maxCharge) },
			413, codes.ResourceExhausted, "larger than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url := serve(t, newPayment(t, quick(t)))
			resp, body := post(t, url, c.body, c.key)
			if resp.StatusCode != c.status || !strings.Contains(body, c.says) {
				t.Errorf("HTTP: %s %s, want %d and %q", resp.Status, body, c.status, c.says)
			}
			request := good()
			c.change(request)
			// Another payment: this key is taken.
			_, err := overGRPC(t, serve(t, newPayment(t, quick(t)))).Charge(t.Context(), request)
			if status.Code(err) != c.code ||
				c.code != codes.ResourceExhausted && c.says != "" &&
					!strings.Contains(err.Error(), c.says) {
				t.Errorf("gRPC: %v, want %v and %q", err, c.code, c.says)
			}
		})
	}
}

// What only JSON over HTTP can get wrong.
func TestBodies(t *testing.T) {
	t.Parallel()
	url := serve(t, newPayment(t, quick(t)))
	for body, want := range map[string]string{
		"":                         "must be a JSON object",
		"null":                     "order_id is missing",
		"[]":                       "must be a JSON object",
		goodBody + "x":             "must be a JSON object",
		goodBody + goodBody:        "must be a JSON object",
		goodBody[:len(goodBody)-1]: "must be a JSON object",
		`{"order_id":7}`:           "order_id cannot be number",
		`{"amount_cents":"7"}`:     "amount_cents cannot be string",
		`{"amount_cents":1.5}`:     "amount_cents cannot be number 1.5",
		`{"amount_cents":1` + strings.Repeat("0", 400) + `}`: "amount_cents cannot be number 1000",
	} {
		resp, said := post(t, url, body, "key")
		var answer struct{ Error string }
		if err := json.Unmarshal([]byte(said), &answer); err != nil ||
			resp.StatusCode != http.StatusBadRequest || !strings.Contains(answer.Error, want) ||
			len(said) > 400 {
			t.Errorf("%.60s: %s %s, want 400 and %q", body, resp.Status, said, want)
		}
	}
}

// A reader skips what it does not know: who wrote it is newer, and the charge is the
// same for it.
func TestUnknownFieldsAreSkipped(t *testing.T) {
	t.Parallel()
	url := serve(t, newPayment(t, quick(t)))
	newer := strings.Replace(goodBody, "{", `{"currency":"EUR","lines":[{"sku":"A"}],`, 1)
	if resp, body := post(t, url, newer, "key"); resp.StatusCode != 200 {
		t.Errorf("HTTP: %s %s", resp.Status, body)
	}
	request := &paymentpb.ChargeRequest{OrderId: "o", UserEmail: "ada@example.com",
		AmountCents: proto.Int64(1), IdempotencyKey: "key"}
	request.ProtoReflect().SetUnknown(
		protowire.AppendString(protowire.AppendTag(nil, 99, protowire.BytesType), "EUR"))
	r, err := overGRPC(t, url).Charge(t.Context(), request)
	if err != nil || !r.GetRepeated() {
		t.Errorf("gRPC, the same charge under the same key: %v, %v", r, err)
	}
}

// The key is a string in quotes; without them it is the same key. Two are none.
func TestKeyAsHeader(t *testing.T) {
	t.Parallel()
	url := serve(t, newPayment(t, quick(t)))
	for _, c := range []struct {
		keys   []string
		status int
		again  string
	}{
		{[]string{`"8e03-978e"`}, 200, ""},
		{[]string{`8e03-978e`}, 200, "true"},
		{[]string{`"a \"quoted\" \\ key"`}, 200, ""},
		{[]string{`a "quoted" \ key`}, 200, "true"},
		{[]string{`"open`}, 400, ""},
		{[]string{`"a" b"`}, 400, ""},
		{[]string{`""`}, 400, ""},
		{[]string{"a", "b"}, 400, ""},
		{[]string{strings.Repeat("k", 500_000)}, 400, ""},
		{nil, 400, ""},
	} {
		resp, body := post(t, url, goodBody, c.keys...)
		if again := resp.Header.Get("Idempotent-Replayed"); resp.StatusCode != c.status ||
			again != c.again {
			t.Errorf("%.40q: %s %s, replayed %q", c.keys, resp.Status, body, again)
		}
	}
}

// "Not now" says when to come back, and a repeat that it is one, in both protocols.
func TestHeadersOfAnAnswer(t *testing.T) {
	t.Parallel()
	s := quick(t)
	well := serve(t, newPayment(t, s))
	s.Fail = 1
	ill := serve(t, newPayment(t, s))
	for _, c := range []struct {
		url, header, want, email string
		code                     codes.Code
	}{
		{well, "Idempotent-Replayed", "", "a@example.com", codes.OK},
		{well, "Idempotent-Replayed", "true", "a@example.com", codes.OK},
		{well, "Idempotent-Replayed", "", "a@" + shop.BounceDomain, codes.FailedPrecondition},
		{well, "Idempotent-Replayed", "true", "a@" + shop.BounceDomain, codes.FailedPrecondition},
		{ill, "Retry-After", "1", "a@example.com", codes.Unavailable},
	} {
		body := `{"order_id":"http","user_email":"` + c.email + `","amount_cents":1}`
		resp, _ := post(t, c.url, body, "http "+c.email)
		if got := resp.Header.Get(c.header); got != c.want {
			t.Errorf("HTTP %s: %s, %s is %q, want %q", c.email, resp.Status, c.header, got, c.want)
		}
		var trailer metadata.MD
		_, err := overGRPC(t, c.url).Charge(t.Context(), &paymentpb.ChargeRequest{
			OrderId: "grpc", UserEmail: c.email, AmountCents: proto.Int64(1),
			IdempotencyKey: "grpc " + c.email}, grpc.Trailer(&trailer))
		got := strings.Join(trailer.Get(c.header), "")
		if status.Code(err) != c.code || got != c.want {
			t.Errorf("gRPC %s: %v, %s is %q, want %q", c.email, err, c.header, got, c.want)
		}
	}
}

// Every outcome has a status in both protocols; what is none of them leaves open what
// was done.
func TestStatuses(t *testing.T) {
	t.Parallel()
	for _, o := range outcomes {
		if h, g := statusOf(o.err); h != o.http || g != o.grpc {
			t.Errorf("%v is %d and %v", o.err, h, g)
		}
	}
	if h, g := statusOf(os.ErrClosed); h != 500 || g != codes.Internal {
		t.Errorf("an error of no kind is %d and %v", h, g)
	}
}

// What is read and written as JSON has the names of the contract.
func TestNamesAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	for _, pair := range []struct {
		ours   any
		theirs proto.Message
	}{
		{Charge{}, &paymentpb.ChargeRequest{}}, {Receipt{}, &paymentpb.ChargeResponse{}},
	} {
		fields := pair.theirs.ProtoReflect().Descriptor().Fields()
		names := map[string]bool{"idempotency_key": true} // a header in HTTP
		for f := range reflect.TypeOf(pair.ours).Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			names[name] = true
		}
		for i := range fields.Len() {
			if name := string(fields.Get(i).Name()); !names[name] {
				t.Errorf("%T has no %q", pair.ours, name)
			}
			delete(names, string(fields.Get(i).Name()))
		}
		if delete(names, "idempotency_key"); len(names) > 0 {
			t.Errorf("payment.proto has no %v", names)
		}
	}
}

// The book from outside, and a health check that says when it cannot be written.
func TestBookOverHTTP(t *testing.T) {
	t.Parallel()
	s := quick(t)
	url := serve(t, newPayment(t, s))
	post(t, url, goodBody, "key")
	get := func(path string) (int, string) {
		resp, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		if _, err := body.ReadFrom(resp.Body); err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		return resp.StatusCode, body.String()
	}
	const want = `{"processed":1,"duplicated":0,"charges":[` +
		`{"key":"key","order_id":"o","amount_cents":1,"times":1}]}` + "\n"
	if code, body := get("/charges"); code != 200 || body != want {
		t.Errorf("%d %s", code, body)
	}
	if code, body := get("/audit"); code != 200 || body != `{"processed":1,"duplicated":0}`+"\n" {
		t.Errorf("%d %s", code, body)
	}
	if code, body := get("/healthz"); code != 200 {
		t.Errorf("well: %d %s", code, body)
	}
	if err := os.RemoveAll(s.Book); err != nil {
		t.Fatal(err)
	}
	if code, body := get("/healthz"); code != 503 || !strings.Contains(body, "cannot be written") {
		t.Errorf("the book is gone: %d %s", code, body)
	}
}

// SIGTERM: a charge in progress is made and answered, in both protocols, by the clock that
// runs for the door.
func TestDrain(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"HTTP", "gRPC"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			s := quick(t)
			s.Workers = 1
			p := newPayment(t, s)
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			address := listener.Addr().String()
			if err := listener.Close(); err != nil {
				t.Fatal(err)
			}
			ctx, sigterm := context.WithCancel(t.Context())
			defer sigterm()
			ended, answered := make(chan error, 1), make(chan error, 1)
			go func() {
				ended <- shop.Serve(ctx, address, Both(GRPCServer(p), HTTPHandler(p)))
			}()
			eventually(t, "the door is open", func() bool { return opens(address) })
			if err := p.workers.Acquire(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			go func() { answered <- chargeBy(t, protocol, "http://"+address) }()
			eventually(t, "the charge is in progress", func() bool {
				p.mu.Lock()
				defer p.mu.Unlock()
				return p.inProgress["key"]
			})
			sigterm()
			eventually(t, "the door is closed", func() bool { return !opens(address) })
			p.workers.Release(1)
			if err := errors.Join(<-answered, <-ended); err != nil {
				t.Error(err)
			}
		})
	}
}

func opens(address string) bool {
	conn, err := net.Dial("tcp", address)
	return err == nil && conn.Close() == nil
}

func chargeBy(t *testing.T, protocol, url string) error {
	if protocol == "gRPC" {
		_, err := overGRPC(t, url).Charge(t.Context(), &paymentpb.ChargeRequest{
			OrderId: "o", UserEmail: "a@example.com", AmountCents: proto.Int64(1),
			IdempotencyKey: "key"})
		return err
	}
	if resp, body := post(t, url, goodBody, "key"); resp.StatusCode != http.StatusOK {
		return errors.New(body)
	}
	return nil
}
