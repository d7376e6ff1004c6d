setTimeout(() => console.log("40"), 40)
setTimeout(() => console.log("10"), 10)
