"""Which variants the test command takes where a test is of all of them: the long run takes every one."""

FEW = {"vanilla", "acgan", "wgan-gp", "pix2pix"}  # a game each: plain, with classes, with a penalty, with inputs
