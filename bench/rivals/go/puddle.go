// SPDX-License-Identifier: BSD-3-Clause

//go:build puddle
// +build puddle

// puddle 1, the pool below pgxpool.
package main

import (
	"context"

	"github.com/jackc/puddle"
)

type puddled struct{ *puddle.Pool }

func (p puddled) get() interface{} {
	r, err := p.Acquire(context.Background())
	if err != nil {
		panic(err)
	}
	return r
}
func (p puddled) put(resource interface{}) { resource.(*puddle.Resource).Release() }
func (p puddled) end()                     { p.Close() }

func init() {
	makers["puddle"] = func(capacity int) pool {
		open := func(context.Context) (interface{}, error) { return new(int), nil }
		return puddled{puddle.NewPool(open, func(interface{}) {}, int32(capacity))}
	}
}
