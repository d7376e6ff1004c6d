package order

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"course.example/05-microservices/paymentpb"
	"course.example/shop"
	"google.golang.org/protobuf/proto"
)

// The two ways to payment, against servers that answer as the contract allows, and as
// what stands between us and them may.

// dial returns the way to a payment service.
func dial(t *testing.T, transport, url string) Charger {
	t.Helper()
	payment, err := Dial(Settings{Transport: transport, PaymentURL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := payment.Close(); err != nil {
			t.Error(err)
		}
	})
	return payment
}

func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return server
}

// says is a payment service that gives one answer, in either protocol.
func says(status int, grpcStatus, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		if r.ProtoMajor == 2 {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Grpc-Status", grpcStatus)
			w.Header().Set("Grpc-Message", body)
			return
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// breaks is a connection that ends without an answer, after the request was sent.
func breaks(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	panic(http.ErrAbortHandler)
}

// What a caller learns is the same in both protocols.
func TestWhatAnswersMean(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   error
	}{
		"declined":           {says(402, "9", `{"error":"no"}`), ErrDeclined},
		"invalid":            {says(400, "3", `{"error":"no"}`), ErrInvalid},
		"too large":          {says(413, "3", `{"error":"no"}`), ErrInvalid},
		"exhausted":          {says(500, "8", "message larger than max"), ErrUnknown},
		"key reused":         {says(422, "6", `{"error":"no"}`), ErrInvalid},
		"not now":            {says(503, "14", "", "Retry-After", "1"), ErrUnavailable},
		"a proxy's 503":      {says(503, "14", "upstream connect error"), ErrUnknown},
		"a gateway's 502":    {says(502, "14", "bad gateway"), ErrUnknown},
		"gateway timeout":    {says(504, "4", ""), ErrUnknown},
		"under way":          {says(409, "10", ""), ErrUnknown},
		"internal":           {says(500, "13", "disk full"), ErrUnknown},
		"no such thing":      {says(404, "12", "<html>404"), ErrUnknown},
		"not a receipt":      {says(200, "2", "<html>welcome to the hotel"), ErrUnknown},
		"an empty answer":    {says(200, "2", "{}"), ErrUnknown},
		"breaks after it":    {breaks, ErrUnknown},
		"breaks midway":      {halfAnAnswer, ErrUnknown},
		"redirect elsewhere": {says(307, "2", "", "Location", "/"), ErrUnknown},
	} {
		for _, transport := range []string{"http", "grpc"} {
			t.Run(transport+" "+name, func(t *testing.T) {
				t.Parallel()
				payment := dial(t, transport, serve(t, c.answer).URL)
				_, err := payment.Charge(t.Context(), "key", Charge{OrderID: "o"})
				if !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
				if len(err.Error()) > 2*maxReason {
					t.Errorf("an error of %d bytes", len(err.Error()))
				}
			})
		}
	}
}

// halfAnAnswer promises more than comes.
func halfAnAnswer(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, `{"receipt_id":`)
	_ = http.NewResponseController(w).Flush() // or nothing of it would come
	panic(http.ErrAbortHandler)
}

// Nobody is there: nothing can have been sent.
func TestNobodyListens(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"http", "grpc"} {
		server := serve(t, breaks)
		server.Close()
		_, err := dial(t, transport, server.URL).Charge(t.Context(), "k", Charge{})
		if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %v", transport, err)
		}
	}
}

// The time is over: whether the request had a connection makes the difference.
func TestTimeIsOver(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 2)
	silent := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	// A listener that is full takes no connection, and refuses none.
	full, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = full.Close() })
	for _, transport := range []string{"http", "grpc"} {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-arrived
			cancel()
		}()
		_, err := dial(t, transport, silent.URL).Charge(ctx, "key", Charge{OrderID: "o"})
		if !errors.Is(err, ErrUnknown) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: sent, and given up: %v", transport, err)
		}
		over, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
		_, err = dial(t, transport, "http://"+full.Addr().String()).
			Charge(over, "key", Charge{OrderID: "o"})
		cancel()
		if !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: never sent: %v", transport, err)
		}
	}
}

// What goes over the wire is what payment.proto says, with the key as a string in
// quotes, and what comes back may have fields that we do not know.
func TestWhatIsSent(t *testing.T) {
	t.Parallel()
	var body []byte
	var key string
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		key = r.Header.Get("Idempotency-Key")
		_, _ = io.WriteString(w, `{"receipt_id":"r","order_id":"o","amount_cents":7,"new":[1]}`)
	})
	charge := Charge{OrderID: "o", UserEmail: shop.SampleEmail, AmountCents: 7}
	r, err := dial(t, "http", server.URL).Charge(t.Context(), "the key", charge)
	if want := (Receipt{ID: "r", OrderID: "o", AmountCents: 7}); err != nil || r != want {
		t.Errorf("%+v, %v", r, err)
	}
	const want = `{"order_id":"o","user_email":"ada@example.com","amount_cents":7}`
	if string(body) != want || key != `"the key"` {
		t.Errorf("sent %s with the key %s", body, key)
	}
	sameNames(t, Charge{}, &paymentpb.ChargeRequest{})
	sameNames(t, Receipt{}, &paymentpb.ChargeResponse{})
}

// sameNames checks that every name in JSON is that of a field of the contract.
func sameNames(t *testing.T, ours any, theirs proto.Message) {
	t.Helper()
	fields := theirs.ProtoReflect().Descriptor().Fields()
	for f := range reflect.TypeOf(ours).Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		for i := range fields.Len() {
			if string(fields.Get(i).Name()) == name {
				name = ""
			}
		}
		if name != "" {
			t.Errorf("%T has %q, which payment.proto has not", ours, name)
		}
	}
}

// The same by gRPC.
func TestWhatIsSentByGRPC(t *testing.T) {
	t.Parallel()
	var got paymentpb.ChargeRequest
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		if err := proto.Unmarshal(raw[5:], &got); err != nil {
			t.Error(err)
		}
		answer, err := proto.Marshal(&paymentpb.ChargeResponse{ReceiptId: "r", Repeated: true})
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(answer)))
		_, _ = io.Copy(w, io.MultiReader(bytes.NewReader(frame), bytes.NewReader(answer)))
		w.Header().Set("Grpc-Status", "0")
	})
	charge := Charge{OrderID: "o", UserEmail: shop.SampleEmail, AmountCents: 7}
	r, err := dial(t, "grpc", server.URL).Charge(t.Context(), "the key", charge)
	if err != nil || r.ID != "r" || !r.Repeated {
		t.Errorf("%+v, %v", r, err)
	}
	if got.GetIdempotencyKey() != "the key" || got.GetOrderId() != "o" ||
		got.GetUserEmail() != shop.SampleEmail || got.GetAmountCents() != 7 {
		t.Errorf("sent %v", &got)
	}
}
