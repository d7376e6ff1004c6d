setTimeout(() => console.log("1"), 1)
setTimeout(() => console.log("-5"), -5)
console.log("main")
