package payment

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"course.example/05-microservices/paymentpb"
	"course.example/shop"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// Nothing that a test has started may outlive the tests.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

// quick are settings for tests in which nothing is to take time.
func quick(tb testing.TB) Settings {
	tb.Helper()
	s := DefaultSettings()
	s.Work, s.Book = 0, tb.TempDir()
	return s
}

func newPayment(tb testing.TB, s Settings) *Payment {
	tb.Helper()
	book, err := OpenBook(s.Book, s.KeyTTL, s.Keys)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := book.Close(); err != nil {
			tb.Error(err)
		}
	})
	return NewPayment(s, book)
}

// chargeOf is a charge of an order for some cents.
func chargeOf(order string, cents int64) Charge {
	return Charge{OrderID: order, UserEmail: shop.SampleEmail, AmountCents: &cents}
}

// serve serves a payment service in both protocols and returns where.
func serve(tb testing.TB, p *Payment) string {
	tb.Helper()
	server := httptest.NewUnstartedServer(Both(GRPCServer(p), HTTPHandler(p)))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	tb.Cleanup(server.Close)
	return server.URL
}

// overGRPC returns a client of the contract, as another team would make it.
func overGRPC(tb testing.TB, url string) paymentpb.PaymentClient {
	tb.Helper()
	conn, err := grpc.NewClient("passthrough:///"+url[len("http://"):],
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := conn.Close(); err != nil {
			tb.Error(err)
		}
	})
	return paymentpb.NewPaymentClient(conn)
}

// eventually waits until something holds.
func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			tb.Fatalf("waited 20 s until %s", what)
		}
	}
}
