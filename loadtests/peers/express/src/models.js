// Collections and their indexes. Readers use lean(): plain objects, no Mongoose documents.
import mongoose from 'mongoose';

import { config } from './config.js';

const { Schema, model } = mongoose;
const { ObjectId } = Schema.Types;
const options = { versionKey: false };

export const User = model('User', new Schema({
  username: { type: String, required: true, unique: true },
  email: { type: String, required: true, unique: true },
  displayName: { type: String, required: true },
  avatarUrl: { type: String, default: null },
  password: { type: String, required: true, select: false },
}, options));

export const Follow = model('Follow', new Schema({
  follower: { type: ObjectId, required: true },
  followee: { type: ObjectId, required: true },
}, options).index({ follower: 1, followee: 1 }, { unique: true }).index({ followee: 1 }));

export const Block = model('Block', new Schema({
  blocker: { type: ObjectId, required: true },
  blocked: { type: ObjectId, required: true },
}, options).index({ blocker: 1, blocked: 1 }, { unique: true }).index({ blocked: 1 }));

export const Post = model('Post', new Schema({
  author: { type: ObjectId, required: true },
  text: { type: String, required: true },
  createdAt: { type: Date, default: Date.now },
  editedAt: { type: Date, default: null },
  likes: { type: Number, default: 0 },
  comments: { type: Number, default: 0 },
  version: { type: Number, default: 0 },
}, options).index({ author: 1, _id: -1 }));

export const Like = model('Like', new Schema({
  post: { type: ObjectId, required: true },
  user: { type: ObjectId, required: true },
  createdAt: { type: Date, default: Date.now },
}, options).index({ post: 1, user: 1 }, { unique: true }));

// A home timeline, fanned out on write by the worker; a retry of the same job writes nothing twice.
export const FeedEntry = model('FeedEntry', new Schema({
  owner: { type: ObjectId, required: true },
  post: { type: ObjectId, required: true },
  author: { type: ObjectId, required: true },
}, options).index({ owner: 1, post: -1 }, { unique: true }).index({ post: 1 }));

export const Notification = model('Notification', new Schema({
  jobId: { type: String, required: true, unique: true },
  recipient: { type: ObjectId, required: true },
  type: { type: String, required: true },
  actor: { type: ObjectId, required: true },
  post: { type: ObjectId, default: null },
  createdAt: { type: Date, default: Date.now },
  readAt: { type: Date, default: null },
}, options).index({ recipient: 1, _id: -1 }));

export const isDuplicate = (error) => error?.code === 11000;

export async function connectMongo() {
  await mongoose.connect(config.mongoUrl, { dbName: config.mongoDatabase });
  await Promise.all(Object.values(mongoose.models).map((each) => each.init()));
}

export const disconnectMongo = () => mongoose.disconnect();
