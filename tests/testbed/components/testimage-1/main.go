// Command testimage is the one program in the testbed's images.
//
//	testimage pause     wait for SIGTERM or SIGINT
//	testimage sleep N   wait N seconds, or for a signal, and end with 0
//	testimage exit N    end with N
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	switch args := os.Args[1:]; {
	case len(args) == 0, len(args) == 1 && args[0] == "pause":
		<-stop
	case len(args) == 2 && args[0] == "sleep":
		select {
		case <-time.After(time.Duration(number(args[1])) * time.Second):
		case <-stop:
		}
	case len(args) == 2 && args[0] == "exit":
		os.Exit(number(args[1]))
	default:
		usage()
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		usage()
	}
	return n
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: testimage pause | sleep N | exit N")
	os.Exit(2)
}
