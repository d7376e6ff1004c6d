setTimeout(() => console.log("1"), 1)
setTimeout(() => console.log("0"), 0)
