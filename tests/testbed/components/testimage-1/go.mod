module pullwarden.test/components/testimage

go 1.24
