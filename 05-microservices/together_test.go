package microservices_test

import (
	"context"
	"errors"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"course.example/05-microservices/gateway"
	"course.example/05-microservices/order"
	"course.example/05-microservices/payment"
	"course.example/shop"
)

// The three services are tested apart, each against the contract. Here they meet.

// serve serves HTTP/1 and HTTP/2 without TLS, as the programs do.
func serve(t *testing.T, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return server
}

func startPayment(t *testing.T, s payment.Settings) *httptest.Server {
	t.Helper()
	book, err := payment.OpenBook(s.Book, s.KeyTTL, s.Keys)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := book.Close(); err != nil {
			t.Error(err)
		}
	})
	p := payment.NewPayment(s, book)
	return serve(t, payment.Both(payment.GRPCServer(p), payment.HTTPHandler(p)))
}

func startGateway(t *testing.T, urls ...string) string {
	t.Helper()
	s := gateway.DefaultSettings()
	s.PaymentURLs = strings.Join(urls, ",")
	s.CheckTimeout = 10 * time.Second // a loaded machine must not look like a dead one
	g, err := gateway.New(s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := g.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return serve(t, g.Handler()).URL
}

func dial(t *testing.T, transport, url string) order.Payments {
	t.Helper()
	way, err := order.Dial(order.Settings{Transport: transport, PaymentURL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := way.Close(); err != nil {
			t.Error(err)
		}
	})
	return way
}

// What order asks through the gateway, payment understands, and the other way round,
// in both protocols alike.
func TestTogether(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"http", "grpc"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s := payment.DefaultSettings()
			s.Work, s.Book = 0, t.TempDir()
			one, two := startPayment(t, s), startPayment(t, s)
			way := dial(t, transport, startGateway(t, one.URL, two.URL))
			good := order.Charge{OrderID: "o", UserEmail: shop.SampleEmail, AmountCents: 4499}
			first, err := way.Charge(t.Context(), "key", good)
			if err != nil || first.ID == "" || first.OrderID != "o" ||
				first.AmountCents != 4499 || first.Repeated {
				t.Fatalf("%+v, %v", first, err)
			}
			for range 4 { // both replicas have their turn
				again, err := way.Charge(t.Context(), "key", good)
				if first.Repeated = true; err != nil || again != first {
					t.Errorf("again: %+v, %v", again, err)
				}
			}
			charge := func(id, email string) order.Charge {
				return order.Charge{OrderID: id, UserEmail: email, AmountCents: 1}
			}
			const card, bad = shop.SampleEmail, "x@" + shop.BounceDomain
			for _, c := range []struct {
				name, key string
				charge    order.Charge
				want      error
			}{
				{"another amount", "key", charge("o", card), order.ErrInvalid},
				{"no key", "", good, order.ErrInvalid},
				{"a bad card", "k2", charge("p", bad), order.ErrDeclined},
				{"the same again", "k2", charge("p", bad), order.ErrDeclined},
				{"then a good card", "k2", charge("p", card), order.ErrInvalid},
				{"with a key of its own", "k3", charge("p", card), nil},
			} {
				if _, err := way.Charge(t.Context(), c.key, c.charge); !errors.Is(err, c.want) {
					t.Errorf("%s: %v, want %v", c.name, err, c.want)
				}
			}
		})
	}
}

// The customer is told what is known: charged, and no answer, is "outcome unknown".
func TestChargedAndNoAnswer(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"http", "grpc"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s := payment.DefaultSettings()
			s.Work, s.Book, s.Slow = 0, t.TempDir(), time.Hour
			replica := startPayment(t, s)
			way := dial(t, transport, startGateway(t, replica.URL))
			settings := order.DefaultSettings()
			settings.Tries, settings.Deadline, settings.TryTimeout = 1, time.Hour, time.Hour
			orders := order.NewOrders(settings, way)
			w := httptest.NewRecorder()
			var customer sync.WaitGroup
			customer.Go(func() {
				shop.Counter{Place: orders.Place, Status: http.StatusOK}.Handler().ServeHTTP(w,
					httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/orders", nil))
			})
			for charged := false; !charged; {
				charges, err := payment.Charges(s.Book, s.KeyTTL)
				if err != nil {
					t.Fatal(err)
				}
				charged = len(charges) == 1
			}
			replica.CloseClientConnections() // as a kill does
			customer.Wait()
			if w.Code != http.StatusGatewayTimeout || w.Header().Get("Retry-After") != "" ||
				!strings.Contains(w.Body.String(), "outcome unknown") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

// Each service could be another team's: none imports another, nor a package of ours
// besides the contract and what every step of the course shares; its tests have the course's
// help for Examples.
func TestTheServicesShareTheContractAlone(t *testing.T) {
	t.Parallel()
	for _, service := range []string{"order", "payment", "gateway"} {
		files, err := filepath.Glob(filepath.Join(service, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", service, files, err)
		}
		for _, name := range files {
			may := []string{"course.example/05-microservices/paymentpb", "course.example/shop"}
			if strings.HasSuffix(name, "_test.go") {
				may = append(may, "course.example/lab/exampletest")
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, imported := range file.Imports {
				path, err := strconv.Unquote(imported.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				if strings.HasPrefix(path, "course.example/") && !slices.Contains(may, path) {
					t.Errorf("%s imports %s", name, path)
				}
			}
		}
	}
}
