//go:build goexperiment.jsonv2 && !go1.27

package serialization

// The json/v2 of Go 1.26 still calls inline what is called embed by now.

// CarefulV1 is [OrderPlacedV1] that keeps what it does not know.
type CarefulV1 struct {
	OrderPlacedV1
	Payment CarefulPaymentV1 `json:"payment"` // stands before the embedded one
	Unknown Unknown          `json:",inline"`
}

// CarefulPaymentV1 keeps a way of payment that it does not know.
type CarefulPaymentV1 struct {
	PaymentV1
	Unknown Unknown `json:",inline"`
}
